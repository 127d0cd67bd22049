import type { Db } from "@medvault/postgres";

/**
 * Gives the empty log `count` partitions of `width` entries instead of those of its migration, by a
 * superuser's connection.
 */
export async function givenPartitions(db: Db, width: number, count: number): Promise<void> {
  await db.query(`do $$
    declare known record;
    begin
      for known in select part from log_partitions() loop
        execute format('drop table %s', known.part);
      end loop;
      for n in 0..${count - 1} loop
        execute format('create table log_%s partition of log for values from (%s) to (%s)',
                       n * ${width}, n * ${width}, (n + 1) * ${width});
        execute format('alter table log_%s owner to medvault_owner', n * ${width});
      end loop;
    end $$`);
}
