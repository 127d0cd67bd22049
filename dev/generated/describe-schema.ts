import type pg from "pg";

const COLUMNS = `
  select c.relname as of, format('  %s %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
         case when a.attnotnull then ' not null' else '' end,
         case when a.attidentity <> '' then ' identity'
              when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid) else '' end) as line
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
   where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v')
   order by c.relname, a.attnum`;
const CONSTRAINTS = `
  select c.relname as of, format('  constraint %s %s', k.conname, pg_get_constraintdef(k.oid)) as line
    from pg_constraint k join pg_class c on c.oid = k.conrelid
   where k.connamespace = $1::regnamespace and k.contype in ('c', 'p', 'u', 'f', 'x')
   order by c.relname, k.conname`;
const INDEXES = `
  select c.relname as of, '  ' || replace(pg_get_indexdef(i.indexrelid), ' ' || $1 || '.', ' ') as line
    from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
   where c.relnamespace = $1::regnamespace and not i.indisprimary
   order by c.relname, x.relname`;
const TRIGGERS = `
  select c.relname as of, '  ' || pg_get_triggerdef(t.oid) as line
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
   where c.relnamespace = $1::regnamespace and not t.tgisinternal order by c.relname, t.tgname`;
const GRANTS = `
  select table_name as of, format('  grant %s to %s', string_agg(lower(privilege_type), ', ' order by privilege_type),
         grantee) as line
    from information_schema.role_table_grants
   where table_schema = $1 and grantee <> 'medvault_owner'
   group by table_name, grantee order by table_name, grantee`;
const FUNCTIONS = `
  select 'function ' || p.proname as of, '  ' || regexp_replace(pg_get_functiondef(p.oid), '\\s+', ' ', 'g') as line
    from pg_proc p where p.pronamespace = $1::regnamespace order by p.proname, pg_get_function_identity_arguments(p.oid)`;

/**
 * All that a schema holds, one line each: columns (of views too), constraints, indexes, triggers,
 * grants, functions. A view's text is left out: Postgres 15 and 17 write the same one differently.
 */
export async function describeSchema(client: pg.ClientBase, schema: string): Promise<string> {
  const sections = new Map<string, string[]>();
  for (const query of [COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS, GRANTS, FUNCTIONS]) {
    const { rows } = await client.query<{ of: string; line: string }>(query, [schema]);
    for (const { of, line } of rows) sections.set(of, [...(sections.get(of) ?? []), line]);
  }
  return [...sections]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, lines]) => `${schema}.${name}\n${lines.join("\n")}\n`)
    .join("\n");
}
