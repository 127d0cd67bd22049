import { createHash } from "node:crypto";
import { UnmaskQuery } from "@medvault/contracts";
import { actorOf, allow, parse } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { idOf, send, writeRequestOf } from "../http/request.ts";
import { exportPatient } from "./export.service.ts";
import { importBundle } from "./import.service.ts";

/** What a bundle may measure, in bytes (openapi.json). */
export const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;

export function fhirRoutes(router: Router, context: Context): void {
  router.post("/v1/fhir", allow("fhir:import"), async (req, res) => {
    const body: unknown = req.body ?? null; // no body at all is as wrong as an empty one
    // The hash stands for the bundle: to bring 16 MiB into canonical form would hold everyone up for half a second.
    const sha256 = createHash("sha256").update(JSON.stringify(body)).digest("hex");
    send(res, await importBundle(context, actorOf(req), body, { ...writeRequestOf(req), body: { sha256 } }));
  });

  router.get("/v1/fhir/Patient/:id/$everything", allow("fhir:export"), async (req, res) => {
    const { unmask = [] } = parse(UnmaskQuery, req.query);
    const bundle = await exportPatient(context, actorOf(req), idOf(req), unmask);
    res.type("application/fhir+json").send(JSON.stringify(bundle));
  });
}
