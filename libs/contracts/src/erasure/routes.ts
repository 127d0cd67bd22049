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
    errors: [...REPLAY],
  },
  read: {
    method: "GET",
    path: ERASURE,
    permission: "erasure:read",
    resource: "patient",
    summary: "How far the erasure of a patient is",
    response: e.ErasureView,
  },
});
