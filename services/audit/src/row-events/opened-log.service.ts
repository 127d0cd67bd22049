import type { RowEventPage } from "@medvault/contracts";
import { type Keyring, tableKey } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { createBodySeal } from "../log/body-seal.ts";
import { rowEvents } from "./row-event.service.ts";

/** For commands of operators: what the log says of rows, by audit's own key and role. */
export async function openRowEvents(
  db: Db,
  keyring: Keyring,
): Promise<(from: number) => AsyncGenerator<RowEventPage>> {
  const seal = createBodySeal(await tableKey(db, keyring, "log"));
  return (from) => rowEvents({ pool: db, seal }, from);
}

/** Whether the log has this event. */
export async function hasEvent(db: Db, id: string): Promise<boolean> {
  return (await db.query("select from log where id = $1", [id])).rowCount === 1;
}
