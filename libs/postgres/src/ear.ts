import pg from "pg";
import { ddl } from "./identifiers.ts";

/** A connection that hears what is notified. */
export interface Ear {
  /** False once it was lost: then nothing is heard until another is opened. */
  isOpen(): boolean;
  close(): void;
}

/**
 * Listens on a channel of the pool's database, by a connection beside the pool's. Through a pooler
 * that gives a connection to each transaction nothing is heard: look by yourself, too.
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
    await client.query(ddl("listen %I", channel));
  } catch (error) {
    close();
    throw error;
  }
  return { isOpen: () => isOpen, close };
}
