import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { Client } from "../../e2e/support/client.ts";

/** A request that was answered; status 0: it was not. Times are of `performance.now()`. */
export interface Done {
  readonly isWrite: boolean;
  readonly sentAt: number;
  readonly at: number;
  readonly status: number;
  /** A refusal that says when to come again. */
  readonly saysWhen: boolean;
  readonly requestId: string;
}

export interface Traffic {
  readonly done: readonly Done[];
  stop(): Promise<void>;
}

const REFRESH_MS = 60_000;
const TIMEOUT_MS = 30_000;

/**
 * So many requests a second, every other one a new patient, the others reads of one patient; each
 * goes out when it is due, whatever became of those before.
 */
export function startTraffic(client: Client, rate: number): Traffic {
  const done: Done[] = [];
  const dispatcher = new Agent({ connections: 128, pipelining: 1 });
  const open = new Set<Promise<void>>();
  let patient = "";
  let isOver = false;

  async function ask(isWrite: boolean): Promise<void> {
    const requestId = randomUUID();
    const sentAt = performance.now();
    const headers = {
      authorization: `Bearer ${client.token}`,
      "user-agent": "node", // as it signed in: another one ends the session
      "x-purpose": "TREAT",
      "x-request-id": requestId,
      ...(isWrite && { "content-type": "application/json", "idempotency-key": requestId }),
    };
    const url = `${client.gateway}/v1/patients${isWrite ? "" : `/${patient}`}`;
    const body = isWrite ? JSON.stringify(newPatient()) : null;
    const method = isWrite ? ("POST" as const) : ("GET" as const);
    const timeouts = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
    let status = 0;
    let saysWhen = false;
    try {
      const answer = await request(url, { method, headers, body, dispatcher, ...timeouts });
      const made = (await answer.body.json()) as { id?: string };
      status = answer.statusCode;
      saysWhen = answer.headers["retry-after"] !== undefined;
      if (status === 201 && patient === "") patient = made.id ?? "";
    } catch {
      // It was not answered.
    }
    done.push({ isWrite, sentAt, at: performance.now(), status, saysWhen, requestId });
  }

  async function run(): Promise<void> {
    await ask(true);
    const begun = performance.now();
    for (let i = 0; !isOver; i++) {
      const early = begun + (i * 1_000) / rate - performance.now();
      if (early > 0) await sleep(early);
      const asked: Promise<void> = ask(i % 2 === 0).finally(() => open.delete(asked));
      open.add(asked);
    }
    await Promise.all(open);
  }

  async function refresh(): Promise<void> {
    for (let at = performance.now(); !isOver; await sleep(200)) {
      if (performance.now() - at < REFRESH_MS) continue;
      const refreshToken = client.api.session.tokens?.refresh ?? "";
      const answer = await client.post("/v1/auth/refresh", { refreshToken }).catch(() => null);
      if (answer?.status !== 200) continue;
      client.keep(answer);
      at = performance.now();
    }
  }

  const work = Promise.all([run(), refresh()]);
  return {
    done,
    async stop() {
      isOver = true;
      await work;
      await dispatcher.close();
    },
  };
}

const newPatient = () => ({
  givenName: `Ida${randomUUID().slice(0, 8)}`,
  familyName: "Steady",
  birthDate: "1970-01-02",
  sex: "female",
});

const isGood = ({ status }: Done) => status >= 200 && status < 300;

/** What was answered from `since` on: how many, which refusals, and how long nothing was served. */
export function outageOf(all: readonly Done[], since: number) {
  const done = all.filter(({ at }) => at >= since).sort((a, b) => a.at - b.at);
  const bad = done.filter((one) => !isGood(one));
  const last = bad.at(-1);
  const back = last && done.find((one) => isGood(one) && one.at > last.at);
  return {
    answered: done.length,
    refused: bad.length,
    /** By status. */
    statuses: Object.fromEntries(
      Map.groupBy(bad, ({ status }) => status)
        .entries()
        .map(([s, m]) => [s, m.length]),
    ),
    withoutWhen: bad.filter(({ saysWhen }) => !saysWhen).length,
    seconds: bad[0] && back ? (back.at - bad[0].at) / 1_000 : 0,
    slowestMs: Math.max(0, ...done.map(({ at, sentAt }) => at - sentAt)),
  };
}

/** Waits until nothing was refused for so long, and something was answered. */
export async function untilSteady(traffic: Traffic, since: number, quietMs = 5_000): Promise<void> {
  for (const until = performance.now() + 120_000; performance.now() < until; await sleep(200)) {
    const lately = traffic.done.filter(({ at }) => at > performance.now() - quietMs);
    if (performance.now() - since > quietMs + 2_000 && lately.length > 10 && lately.every(isGood)) return;
  }
  throw new Error("after two minutes requests are still refused");
}
