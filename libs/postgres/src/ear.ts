import pg from "pg";
import { ddl } from "./identifiers.ts";

/** A connection that hears what is notified. */
export interface Ear {
  /** False once it was lost: then nothing is heard until another is opened. */
  isOpen(): boolean;
  close(): void;
}

/**
 * Listens on a channel of the pool's database, by a connection beside the pool's. Behind a pooler
 * that drops what connections ask for, and would give this one's notices to nobody, it listens to
 * nothing, and keeps no connection: look by yourself, too.
 */
export async function openEar(pool: pg.Pool, channel: string, hear: () => void): Promise<Ear> {
  const client = new pg.Client(pool.options);
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
    client.end().catch(() => {});
  };
  client.on("error", close);
  client.on("end", close);
  client.on("notification", hear);
  try {
    await client.connect();
    if (await isAsAsked(client)) {
      await client.query(ddl("listen %I", channel));
      return { isOpen: () => isOpen, close };
    }
    client.off("end", close);
    await client.end();
    return { isOpen: () => isOpen, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Whether Postgres has what this connection asked for; else it is a pooler's, and others' too. */
async function isAsAsked(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ isOurs: boolean }>(
    `select source = 'client' as "isOurs" from pg_settings where name = 'statement_timeout'`,
  );
  return rows[0]?.isOurs === true;
}
