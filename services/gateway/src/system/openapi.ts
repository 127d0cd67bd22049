import {
  auditRoutes,
  authRoutes,
  backupRoutes,
  filesRoutes,
  openApiDocument,
  type RouteDoc,
  recordsRoutes,
} from "@medvault/contracts";
import { z } from "zod";

const Readyz = z.object({
  status: z.enum(["ok", "degraded", "draining"]),
  checks: z.record(z.string(), z.enum(["ok", "degraded", "down"])),
});

const system: RouteDoc[] = [
  {
    method: "GET",
    path: "/healthz",
    summary: "The gateway runs",
    response: z.object({ status: z.literal("ok") }),
    status: 200,
  },
  {
    method: "GET",
    path: "/readyz",
    summary: "The state of every part; 503 only while starting or draining",
    response: Readyz,
    status: 200,
  },
  {
    method: "GET",
    path: "/openapi.json",
    summary: "This document",
    response: z.looseObject({}),
    status: 200,
  },
];

/** Every route of the public API, once each. */
export const publicRoutes: readonly RouteDoc[] = [
  ...system,
  ...authRoutes,
  ...recordsRoutes,
  ...filesRoutes,
  ...auditRoutes,
  ...backupRoutes,
].filter((route) => !route.path.startsWith("/internal/"));

/** The OpenAPI 3.1 document as it is sent. Throws when two routes collide. */
export function openApiJson(): string {
  return JSON.stringify(
    openApiDocument(publicRoutes, {
      title: "MedVault",
      version: "0.1.0",
      description: "Self-hosted, secure medical records. Errors are RFC 9457 problem details.",
    }),
  );
}
