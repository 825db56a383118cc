-- taskq with its defaults.
DROP EXTENSION IF EXISTS taskq CASCADE;
CREATE EXTENSION taskq;
