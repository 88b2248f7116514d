"""What the spec tests and the benchmarks share: processes, servers, monitors, sites, networks."""
