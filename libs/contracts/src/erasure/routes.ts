import { defineRoutes, REPLAY } from "../route.ts";
import * as e from "./schemas.ts";

const ERASURE = "/v1/patients/{id}/erasure";
const example = { reason: "Asked for by the patient in writing" };

export const erasureApi = defineRoutes({
  request: {
    method: "POST",
    path: "/v1/patients/{id}/erase",
    permission: "erasure:write",
    resource: "patient",
    stepUp: true,
    summary: "Destroy all that is kept of a patient, and its keys, everywhere",
    request: e.NewErasure,
    example,
    status: 202,
    response: e.ErasureView,
    errors: ["legal_hold", "erasure_requested", ...REPLAY],
  },
  read: {
    method: "GET",
    path: ERASURE,
    permission: "erasure:read",
    resource: "patient",
    summary: "How far the erasure of a patient is",
    response: e.ErasureView,
  },
  approve: {
    method: "POST",
    path: "/v1/patients/{id}/erasure/approve",
    permission: "erasure:write",
    resource: "patient",
    stepUp: true,
    summary: "Carry out an erasure that somebody else asked for",
    status: 202,
    response: e.ErasureView,
    errors: ["legal_hold", "invalid_transition", ...REPLAY],
  },
  receipt: {
    method: "GET",
    path: "/v1/patients/{id}/erasure/receipt",
    permission: "erasure:read",
    resource: "patient",
    summary: "A signed receipt of an erasure, which anyone can check offline",
    response: e.ErasureReceipt,
    errors: ["invalid_transition", "not_yet_signed"],
  },
  withdraw: {
    method: "DELETE",
    path: ERASURE,
    permission: "erasure:write",
    resource: "patient",
    stepUp: true,
    summary: "Withdraw a request that waits for approval, or refuse another's",
    status: 200,
    response: e.ErasureView,
    errors: ["invalid_transition"],
  },
});

const HOLD = "/v1/patients/{id}/legal-hold";

export const legalHoldApi = defineRoutes({
  place: {
    method: "PUT",
    path: HOLD,
    permission: "legalhold:write",
    resource: "patient",
    stepUp: true,
    summary: "Keep a patient from being erased, for a legal reason",
    request: e.NewLegalHold,
    example: { reason: "Proceedings before the district court" },
    response: e.LegalHoldView,
    errors: [...REPLAY],
  },
  read: {
    method: "GET",
    path: HOLD,
    permission: "legalhold:read",
    resource: "patient",
    summary: "Why a patient is kept from being erased",
    response: e.LegalHoldView,
  },
  lift: {
    method: "DELETE",
    path: HOLD,
    permission: "legalhold:write",
    resource: "patient",
    stepUp: true,
    summary: "Let a patient be erased again",
  },
});
