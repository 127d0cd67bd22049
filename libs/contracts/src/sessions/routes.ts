import { LimitQuery } from "../http.ts";
import { defineRoutes } from "../route.ts";
import * as s from "./schemas.ts";

export const sessionApi = defineRoutes({
  listOwn: {
    method: "GET",
    path: "/v1/auth/sessions",
    permission: "session:read",
    summary: "Own sessions",
    query: LimitQuery,
    response: s.SessionList,
  },
  endOthers: {
    method: "DELETE",
    path: "/v1/auth/sessions",
    permission: "session:end",
    summary: "End all own sessions but this",
  },
  endOwn: {
    method: "DELETE",
    path: "/v1/auth/sessions/{id}",
    permission: "session:end",
    summary: "End one own session",
  },
  list: {
    method: "GET",
    path: "/v1/sessions",
    permission: "session:read",
    scope: "any",
    summary: "Every live session",
    query: s.AdminSessionQuery,
    response: s.AdminSessionPage,
  },
  introspect: {
    method: "GET",
    path: "/internal/sessions/{id}",
    internal: true,
    permission: "session:introspect",
    summary: "A live session that Redis does not know, for the gateway",
    response: s.IntrospectionView,
  },
  reportBindingViolation: {
    method: "POST",
    path: "/internal/sessions/{id}/strange-client",
    internal: true,
    permission: "session:introspect",
    summary: "The gateway saw the session used by another client; the assertion says which",
    response: s.BindingViolationView,
  },
});

export const jwksApi = defineRoutes({
  read: {
    method: "GET",
    path: "/.well-known/jwks.json",
    summary: "Public keys that check access tokens",
    response: s.JwksView,
  },
});
