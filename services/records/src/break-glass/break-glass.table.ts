import { type BreakGlassListQuery, BreakGlassView, EMERGENCY } from "@medvault/contracts";
import { OWNED } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import type { BreakGlass } from "./break-glass.ts";

export const breakGlasses = resource<BreakGlass, BreakGlassView, BreakGlassListQuery>({
  noun: "breakglass",
  plural: "break-glass",
  table: "break_glass",
  columns: {
    ...OWNED,
    userId: { store: "uuid", content: false },
    expiresAt: { store: "timestamptz", content: false },
    reviewed: { store: "text", content: false },
    reviewedBy: { store: "uuid", content: false },
    reviewedAt: { store: "timestamptz", content: false },
    reason: { store: "sealed", content: true, fhir: { none: "about an access, not about the patient" } },
    closedParts: { store: "sealed", content: false },
    note: { store: "sealed", content: true, fhir: { none: "about an access, not about the patient" } },
  },
  permissions: { read: "breakglass:read", write: "breakglass:write" },
  view: BreakGlassView,
  order: "createdAt",
  list: { filters: { reviewed: { column: "reviewed", is: "=" } } },
  derived: { purpose: () => EMERGENCY },
  details: ({ reviewed }) => ({ reviewed }),
  fhir: { none: "about an access, not about the patient" },
});
