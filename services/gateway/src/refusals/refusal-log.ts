import { type AppError, newId, STATUS_OF_KIND } from "@medvault/contracts";
import type { LossyProducer } from "@medvault/messaging";
import { networkOf, plainAddress } from "@medvault/service-kit";
import type { Request } from "express";
import { Counter, type Registry } from "prom-client";
import type { AccessTokens } from "../identity/access-token.ts";
import { sourceOf } from "../identity/client.ts";
import { shownTokens } from "../identity/credentials.ts";
import type { SignedIn } from "../identity/session.ts";
import { RequestScreened } from "../screening/screening.errors.ts";
import { THREATS } from "../screening/threat.ts";
import { PerMinute } from "./per-minute.ts";
import {
  KINDS,
  MALFORMED,
  type Person,
  type Refused,
  refusedAnswer,
  refusedHere,
  securityEvent,
} from "./refusal.events.ts";

/** On an answer whose request has no event of its own: it is in a count of its sender's. */
const AUDIT_HEADER = "X-Audit";

export interface RefusalLog {
  /**
   * Counts and reports a refused or failed request: each of somebody who is signed in by an event
   * of its own; those of guests, as far as they are refusals, together.
   */
  note(req: Request, error: AppError): Promise<void>;
  /** The same for what a service answered without an event; `code`: why, in its words. */
  noteAnswer(req: Request, by: SignedIn, status: number, code: string | undefined): void;
  /** The same for a request that was refused before it could be parsed. */
  noteMalformed(address: string): void;
}

export interface RefusalLogParts {
  registry: Registry;
  producer: LossyProducer;
  tokens: AccessTokens;
  /** Requests of an address: so many tokens are verified for it a minute to say who was refused. */
  perMinute: number;
  /** Of a person, so many refusals a minute have an event each; more of them are counted. */
  ofPersonPerMinute: number;
}

/** Counts the requests that the gateway refuses, and sends their events to the audit log. */
export function createRefusalLog(parts: RefusalLogParts): RefusalLog {
  const { registry, producer, tokens } = parts;
  const verified = new PerMinute(parts.perMinute);
  const ofPerson = new PerMinute(parts.ofPersonPerMinute);
  const registers = [registry];
  const hits = new Counter({
    name: "gateway_screening_hits_total",
    help: "Requests refused because they looked like an attack.",
    labelNames: ["kind"],
    registers,
  });
  for (const kind of THREATS) hits.inc({ kind }, 0); // a missing series raises no alert
  const refusals = new Counter({
    name: "gateway_refusals_total",
    help: "Requests refused here, by the kind of their event.",
    labelNames: ["kind"],
    registers,
  });
  for (const kind of KINDS) refusals.inc({ kind }, 0);
  new Counter({
    name: "gateway_events_dropped_total",
    help: "Events of refusals that did not fit into the buffer while the broker was away.",
    registers,
    collect() {
      this.reset();
      this.inc(producer.dropped());
    },
  });

  /** Whose tokens a request shows: that it was refused, perhaps for them, does not hide who. */
  async function senderOf(req: Request): Promise<Person | null> {
    const { ip } = sourceOf(req);
    for (const token of shownTokens(req)) {
      const claims = await tokens.whose(token, () => verified.take(networkOf(ip)));
      if (claims) return { id: claims.sub, role: claims.role, sessionId: claims.sid };
    }
    return null;
  }

  function record(req: Request, refused: Refused, person: Person | null): void {
    refusals.inc({ kind: refused.kind });
    const event = securityEvent(refused, sourceOf(req), person);
    const isAlone = person !== null && ofPerson.take(person.id);
    if (isAlone && producer.recordAlone(event)) return;
    if (!isAlone) producer.record(event); // what found no room alone is counted already
    if (person && !req.res?.headersSent) req.res?.setHeader(AUDIT_HEADER, "counted");
  }

  return {
    async note(req, error) {
      if (error instanceof RequestScreened) hits.inc({ kind: error.threat });
      const person = await senderOf(req);
      const refused = refusedHere(error) ?? (person && refusedAnswer(STATUS_OF_KIND[error.kind], error.code));
      if (refused) record(req, refused, person);
    },
    noteAnswer(req, { sub, sid, role }, status, code) {
      record(req, refusedAnswer(status, code), { id: sub, role, sessionId: sid });
    },
    noteMalformed(address) {
      const ip = plainAddress(address);
      const source = { ip, userAgent: "", requestId: newId(), traceparent: null };
      producer.record(securityEvent(MALFORMED, source, null));
    },
  };
}
