import { defineRoutes, REPLAY } from "../route.ts";
import * as c from "./schemas.ts";

export const consentsApi = defineRoutes({
  give: {
    method: "POST",
    path: "/v1/patients/{id}/consents",
    permission: "consent:write",
    resource: "patient",
    summary: "Open the chart to someone for a purpose, or close a part of it to someone of the care team",
    request: c.NewConsent,
    example: { grantee: "0190a8c4-0000-7000-8000-000000000001", purpose: "TREAT" },
    status: 201,
    response: c.ConsentView,
    etag: true,
    errors: ["already_given", "consent_limit", "not_on_care_team", ...REPLAY],
  },
  list: {
    method: "GET",
    path: "/v1/patients/{id}/consents",
    permission: "consent:read",
    resource: "patient",
    summary: "What the patient opened and closed, and did not revoke, latest first",
    query: c.ConsentListQuery,
    response: c.ConsentPage,
  },
  read: {
    method: "GET",
    path: "/v1/patients/{id}/consents/{consentId}",
    permission: "consent:read",
    summary: "One consent",
    response: c.ConsentView,
    etag: true,
  },
  revoke: {
    method: "DELETE",
    path: "/v1/patients/{id}/consents/{consentId}",
    permission: "consent:write",
    summary: "Revoke a consent: in force at once",
    errors: ["version_conflict"],
  },
});
