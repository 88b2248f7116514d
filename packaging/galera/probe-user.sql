-- The account holdfast watches a node with. Run it once, on any node of the cluster: accounts are
-- replicated. Replace the password here and in the secret file of the site, and the host by the
-- narrowest pattern that still holds every node that runs holdfast (with skip-name-resolve it must
-- be an address).
--
-- USAGE means no privilege at all, and it is enough: every account may read SHOW GLOBAL STATUS and
-- @@global variables, which is all that the probe asks. It cannot read a table, a statement of
-- somebody else, or a grant. A node that is not in the primary component answers both questions
-- too, while it refuses tables with error 1047.
--
-- The limit keeps a misconfigured holdfast from taking the site's connections: each router and
-- monitor holds one connection a node, so raise it beyond twenty of them.
CREATE USER IF NOT EXISTS 'holdfast'@'%' IDENTIFIED BY 'change-me'
    WITH MAX_USER_CONNECTIONS 20;
GRANT USAGE ON *.* TO 'holdfast'@'%';
