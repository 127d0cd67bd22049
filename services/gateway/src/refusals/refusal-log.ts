import { type AppError, newId } from "@medvault/contracts";
import type { LossyProducer } from "@medvault/messaging";
import { plainAddress } from "@medvault/service-kit";
import type { Request } from "express";
import { Counter, type Registry } from "prom-client";
import { sourceOf } from "../identity/client.ts";
import { TooManyPatients } from "../limits/limit.errors.ts";
import { RequestScreened } from "../screening/screening.errors.ts";
import { THREATS } from "../screening/threat.ts";
import { KINDS, kindOf, securityEvent } from "./refusal.events.ts";

export interface RefusalLog {
  /** Counts and reports a refused request; errors that are no refusals are left out. */
  note(req: Request, error: AppError): void;
  /** The same for a request that was refused before it could be parsed. */
  noteMalformed(address: string): void;
}

/** Counts the requests that the gateway refuses, and sends their events to the audit log. */
export function createRefusalLog(registry: Registry, producer: LossyProducer): RefusalLog {
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
  return {
    note(req, error) {
      const kind = kindOf(error);
      if (error instanceof RequestScreened) hits.inc({ kind: error.threat });
      if (!kind) return;
      refusals.inc({ kind });
      const actor = error instanceof TooManyPatients ? error.actor : null;
      producer.record(securityEvent(kind, sourceOf(req), actor));
    },
    noteMalformed(address) {
      const ip = plainAddress(address);
      const source = { ip, userAgent: "", requestId: newId(), traceparent: null };
      producer.record(securityEvent("request_malformed", source));
    },
  };
}
