import { ActorsAnswer, KnownPeople, Unavailable } from "@medvault/contracts";
import { type Caller, internalClient, type Tls } from "@medvault/service-kit";
import type { z } from "zod";

/** Two are asked, one after the other, well within the 3 s in which a person is answered. */
const WAIT_MS = 1_000;
const CONNECTIONS = 4;

/** Whom may a patient know of? Records knows their charts, audit who acted on them. */
export interface KnownPeopleClient {
  /**
   * Ids of whom the caller's own chart and its log name. Nobody where they have no chart, or may
   * not read who treats them. Throws Unavailable while either service is away.
   */
  knownTo(caller: Caller): Promise<string[]>;
  close(): Promise<void>;
}

export function knownPeopleClient(
  urls: { records: string; audit: string },
  tls: Tls | null,
): KnownPeopleClient {
  const limits = { waitMs: WAIT_MS, connections: CONNECTIONS };
  const [records, audit] = [
    internalClient(urls.records, tls, limits),
    internalClient(urls.audit, tls, limits),
  ];
  return {
    async knownTo(caller) {
      const chart = answerOf(KnownPeople, await records.ask(caller, "/internal/known-people"));
      if (!chart || chart.patientIds.length === 0) return [];
      const { patientIds } = chart;
      const acted = answerOf(ActorsAnswer, await audit.ask(caller, "/internal/actors", { patientIds }));
      return [...new Set([...chart.ids, ...(acted?.ids ?? [])])];
    },
    close: async () => void (await Promise.all([records.close(), audit.close()])),
  };
}

/** Null: the caller may not. Fails closed: anything but a clear answer is Unavailable. */
function answerOf<T>(schema: z.ZodType<T>, { status, body }: { status: number; body: unknown }): T | null {
  if (status === 403) return null;
  const answer = schema.safeParse(body);
  if (status !== 200 || !answer.success) throw new Unavailable();
  return answer.data;
}
