import { LimitQuery } from "../http.ts";
import { defineRoutes, REPLAY } from "../route.ts";
import * as c from "./schemas.ts";

const STEP = {
  method: "POST",
  request: c.ClaimStep,
  requestOptional: true,
  response: c.ClaimView,
  etag: true,
  errors: ["invalid_transition", "version_conflict", ...REPLAY],
} as const;

export const claimApi = defineRoutes({
  create: {
    method: "POST",
    path: "/v1/claims",
    permission: "claim:write",
    summary: "Draft a claim",
    request: c.NewClaim,
    status: 201,
    response: c.ClaimView,
    etag: true,
    errors: ["not_found", ...REPLAY],
  },
  list: {
    method: "GET",
    path: "/v1/claims",
    permission: "claim:read",
    summary: "Claims, last changed first",
    query: c.ClaimListQuery,
    response: c.ClaimPage,
    errors: ["not_found"],
  },
  read: {
    method: "GET",
    path: "/v1/claims/{id}",
    permission: "claim:read",
    summary: "One claim",
    response: c.ClaimView,
    etag: true,
  },
  listVersions: {
    method: "GET",
    path: "/v1/claims/{id}/versions",
    permission: "claim:read",
    summary: "Every version, and who wrote it",
    query: LimitQuery,
    response: c.ClaimVersions,
  },
  patch: {
    method: "PATCH",
    path: "/v1/claims/{id}",
    permission: "claim:write",
    summary: "Change a draft",
    request: c.ClaimPatch,
    response: c.ClaimView,
    etag: true,
    errors: ["invalid_transition", "version_conflict"],
  },
  submit: {
    ...STEP,
    path: "/v1/claims/{id}/submit",
    permission: "claim:write",
    summary: "Hand a draft in",
  },
  approve: {
    ...STEP,
    path: "/v1/claims/{id}/approve",
    permission: "claim:decide",
    summary: "Approve a submitted claim",
  },
  reject: {
    ...STEP,
    path: "/v1/claims/{id}/reject",
    permission: "claim:decide",
    summary: "Reject a submitted claim",
  },
  pay: {
    ...STEP,
    path: "/v1/claims/{id}/pay",
    permission: "claim:decide",
    summary: "Mark an approved claim as paid",
  },
});
