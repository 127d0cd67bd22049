import * as contracts from "@medvault/contracts";
import { defineRoutes, openApiDocument, publicRoutesOf, type RouteDoc } from "@medvault/contracts";
import { VERSION } from "@medvault/service-kit";
import { z } from "zod";
import { ROUTES_OF } from "../routing/route-table.ts";

const Readyz = z.object({
  status: z.enum(["ok", "degraded", "draining"]),
  checks: z.record(z.string(), z.enum(["ok", "degraded", "down"])),
});

const systemApi = defineRoutes({
  health: {
    method: "GET",
    path: "/healthz",
    summary: "The gateway runs",
    response: z.object({ status: z.literal("ok") }),
  },
  readiness: {
    method: "GET",
    path: "/readyz",
    summary: "The state of every part",
    response: Readyz,
    also: [{ status: 503, summary: "Starting or draining", response: Readyz }],
  },
  document: {
    method: "GET",
    path: "/openapi.json",
    summary: "This document",
    response: z.looseObject({}),
  },
  docs: {
    method: "GET",
    path: "/docs",
    summary: "A page to read this document and try it",
    response: z.string(),
    responseType: "text/html; charset=utf-8",
  },
  docsScript: {
    method: "GET",
    path: "/docs/page.js",
    internal: true,
    summary: "What the page runs",
    response: z.string(),
    responseType: "text/javascript; charset=utf-8",
  },
  docsStyle: {
    method: "GET",
    path: "/docs/page.css",
    internal: true,
    summary: "What the page looks like",
    response: z.string(),
    responseType: "text/css; charset=utf-8",
  },
});

/** Every route of the public API, once each. */
export const publicRoutes: readonly RouteDoc[] = [
  ...publicRoutesOf(systemApi),
  ...Object.values(ROUTES_OF).flat(),
];

const TAGS: Readonly<Record<string, string>> = {
  system: "What the gateway says of itself, to anyone.",
  auth: "The caller's own account: signing in, second factor, sessions, passwords.",
  users: "Accounts, for admins.",
  directory: "Who works here, by name; and the account to link with a patient.",
  roles: "Roles and what they may do, for admins.",
  sessions: "Everyone's live sessions, for admins.",
  patients: "Patients, who treats them, and their records. Sensitive identifiers are masked.",
  "care-team": "Who treats whom, for many patients at once.",
  records: "Medical records: versioned, hashed and signed.",
  prescriptions: "Prescriptions, and search as one types over encrypted data.",
  "break-glass":
    "Charts that were reached in an emergency: why, for how long, and whether that was justified.",
  claims: "Insurance claims and the steps they go through.",
  appointments: "A doctor's time: nobody is booked twice at once.",
  calendar: "What calendar programs read, by a token in its path.",
  fhir: "FHIR R4 in and out.",
  files: "Encrypted documents and images.",
  exports: "A whole record as one encrypted archive, to take away.",
  audit: "The log of everything: search, proofs, statistics, export. Reading it is logged.",
  backups: "Encrypted backups of everything, and restoring in place.",
};

/** The OpenAPI 3.1 document as it is sent. Throws when two routes collide or a code is unknown. */
export function openApiJson(): string {
  return JSON.stringify(
    openApiDocument(
      publicRoutes,
      {
        title: "MedVault",
        version: VERSION,
        description:
          "Self-hosted, secure medical records. Errors are RFC 9457 problem details with a stable `code`. Lists are paged by `limit` and `cursor`. Unknown fields are refused.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      { schemas: contracts, tags: TAGS },
    ),
  );
}
