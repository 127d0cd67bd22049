import { type ConsentListQuery, ConsentView } from "@medvault/contracts";
import { OWNED } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import type { Consent } from "./consent.ts";

export const consents = resource<Consent, ConsentView, ConsentListQuery>({
  noun: "consent",
  table: "consents",
  columns: {
    ...OWNED,
    grantee: { store: "uuid", content: false },
    purpose: { store: "text", content: false },
    partType: { store: "text", content: false },
    partId: { store: "uuid", content: false },
    expiresAt: { store: "timestamptz", content: false },
    givenBy: { store: "uuid", content: false },
    hiddenAt: { store: "timestamptz", content: false },
  },
  hiddenBy: "hiddenAt",
  permissions: { read: "consent:read", write: "consent:write" },
  view: ConsentView,
  order: "createdAt",
  list: { filters: { grantee: { column: "grantee", is: "=" } }, isOfPatient: true },
  derived: { closes: ({ partType, partId }) => partType && { type: partType, id: partId } },
  details: ({ grantee, purpose, partType, partId }) => ({
    grantee,
    ...(purpose !== null && { purpose }),
    ...(partType !== null && { closes: `${partType}/${partId ?? "*"}` }),
  }),
  fhir: { none: "about who may read the chart, not about the patient" },
});
