import { defineRoutes } from "../route.ts";
import { SessionList } from "../sessions/schemas.ts";
import * as u from "./schemas.ts";

const ADMIN_WRITE = ["last_admin", "would_lock_out", "version_conflict"] as const;

export const userApi = defineRoutes({
  list: {
    method: "GET",
    path: "/v1/users",
    permission: "user:read",
    summary: "Users, newest first",
    query: u.UserQuery,
    response: u.UserPage,
  },
  create: {
    method: "POST",
    path: "/v1/users",
    permission: "user:write",
    stepUp: true,
    summary: "Invite a user; the invitation goes by mail",
    request: u.NewUser,
    status: 201,
    response: u.UserView,
    etag: true,
    errors: ["username_taken", "email_taken"],
  },
  read: {
    method: "GET",
    path: "/v1/users/{id}",
    permission: "user:read",
    summary: "One user, with their second factors",
    response: u.UserDetailView,
    etag: true,
  },
  patch: {
    method: "PATCH",
    path: "/v1/users/{id}",
    permission: "user:write",
    stepUp: true,
    summary: "Change a user; a new address waits for its mailed link or the end of the objection period",
    request: u.UserPatch,
    response: u.UserView,
    etag: true,
    errors: ["username_taken", "email_taken", ...ADMIN_WRITE],
  },
  remove: {
    method: "DELETE",
    path: "/v1/users/{id}",
    permission: "user:delete",
    stepUp: true,
    summary: "Delete a user and their keys",
    errors: ADMIN_WRITE,
  },
  unlock: {
    method: "POST",
    path: "/v1/users/{id}/unlock",
    permission: "user:write",
    stepUp: true,
    summary: "Lift a user's lockouts",
  },
  removeFactor: {
    method: "DELETE",
    path: "/v1/users/{id}/factors/{factor}",
    permission: "user:write",
    stepUp: true,
    summary: "Remove a user's second factor: `totp`, `passkeys` or a passkey's id; sessions end",
    errors: ["would_lock_out"],
  },
  listSessions: {
    method: "GET",
    path: "/v1/users/{id}/sessions",
    permission: "session:read",
    scope: "any",
    resource: "user",
    summary: "A user's sessions",
    response: SessionList,
  },
  endSessions: {
    method: "DELETE",
    path: "/v1/users/{id}/sessions",
    permission: "session:end",
    stepUp: true,
    scope: "any",
    resource: "user",
    summary: "End a user's sessions",
  },
  limitSessions: {
    method: "PATCH",
    path: "/v1/users/{id}/session-settings",
    permission: "user:write",
    stepUp: true,
    summary: "How many sessions a user may have",
    request: u.SessionSettings,
    response: u.UserView,
    etag: true,
  },
});

export const roleApi = defineRoutes({
  list: {
    method: "GET",
    path: "/v1/roles",
    permission: "role:read",
    summary: "Roles and what they may do",
    response: u.RoleList,
  },
  setPermissions: {
    method: "PUT",
    path: "/v1/roles/{role}/permissions",
    permission: "role:write",
    stepUp: true,
    summary: "Set what a role may do",
    request: u.RolePermissions,
    response: u.RoleView,
    errors: ["role_protected", "would_lock_out"],
  },
});
