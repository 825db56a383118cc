--
-- What the extension consists of: a change of the API shows here
--
SELECT extname, extversion, extrelocatable, extnamespace::regnamespace AS schema
  FROM pg_extension WHERE extname = 'taskq';

-- tables, views, sequences
SELECT c.relkind, c.relname
  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'taskq')
   AND d.deptype = 'e' AND c.relkind <> 'c'
 ORDER BY c.relkind, c.relname COLLATE "C";

-- columns of what may be read
\pset format unaligned
\pset tuples_only on
SELECT c.relname || ': ' || string_agg(a.attname, ', ' ORDER BY a.attnum)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relnamespace = 'taskq'::regnamespace AND c.relkind IN ('v', 'c')
 GROUP BY c.relname ORDER BY c.relname COLLATE "C";

-- enums
SELECT t.typname || ': ' || string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
  FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
 WHERE t.typnamespace = 'taskq'::regnamespace
 GROUP BY t.typname ORDER BY t.typname COLLATE "C";

-- functions and procedures
SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ')'
       || CASE WHEN p.prokind = 'f' THEN ' -> ' || pg_get_function_result(p.oid) ELSE '' END
       || CASE p.provolatile WHEN 'i' THEN ' immutable' WHEN 's' THEN ' stable' ELSE '' END
       || CASE WHEN p.prosecdef THEN ' security definer' ELSE '' END
  FROM pg_proc p
 WHERE p.pronamespace = 'taskq'::regnamespace
 ORDER BY p.proname COLLATE "C", pg_get_function_identity_arguments(p.oid);
\pset tuples_only off
\pset format aligned

-- nothing is open to everybody
SELECT p.oid::regprocedure AS open_to_everybody
  FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
 WHERE p.pronamespace = 'taskq'::regnamespace AND a.grantee = 0;
SELECT c.relname AS open_to_everybody
  FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
 WHERE c.relnamespace = 'taskq'::regnamespace AND c.relkind IN ('r', 'v', 'S') AND a.grantee = 0;

-- everything has a comment, and is dumped if it is a table or sequence
SELECT p.oid::regprocedure AS without_comment FROM pg_proc p
 WHERE p.pronamespace = 'taskq'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.relname AS without_comment FROM pg_class c
 WHERE c.relnamespace = 'taskq'::regnamespace AND c.relkind IN ('r', 'v', 'S') AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT c.relname AS not_dumped FROM pg_class c
 WHERE c.relnamespace = 'taskq'::regnamespace AND c.relkind IN ('r', 'S')
   AND NOT c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'taskq')::oid[]);
