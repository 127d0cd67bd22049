import { randomBytes } from "node:crypto";
import type { CloudEvent, RowEvent, RowEventPage } from "@medvault/contracts";
import type { Records } from "../../test/harness.ts";
import { declaredTables } from "../tables.ts";
import { checkedTables } from "./checked-tables.ts";
import { checkRows } from "./row-check.service.ts";

/**
 * The log of a service without a broker: its outbox. What was not waited for is still on its way.
 */
export function givenLog(service: Pick<Records, "events" | "pool">) {
  const entries: CloudEvent[] = [];
  const key = randomBytes(32);
  const log = {
    async *pages(from: number): AsyncGenerator<RowEventPage> {
      const events = entries.slice(from).map((event, at): RowEvent => {
        const { id, time, type, subject, data } = event;
        return { idx: from + at, id, time, type, subject, ...data, details: data.details ?? {} };
      });
      yield { events, next: entries.length, size: entries.length, missing: 0 };
    },
    async settle() {
      entries.push(...(await service.events()));
    },
  };
  const check = (isFull = false, onProgress = () => {}) =>
    checkRows(
      {
        ...{ pool: service.pool, key, log, tables: checkedTables(declaredTables), onProgress },
        ...{ signal: new AbortController().signal, rest: async () => {} },
      },
      isFull,
    );
  return {
    log,
    entries,
    check,
    /** What is found, as text; the alarms are taken out of the log's way. */
    async found(isFull = false): Promise<string[]> {
      const { findings } = await check(isFull);
      return findings.map(({ kind, id, what }) => `${kind}/${id} ${what}`).sort();
    },
  };
}
