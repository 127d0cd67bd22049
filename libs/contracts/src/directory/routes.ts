import { defineRoutes } from "../route.ts";
import * as d from "./schemas.ts";

export const directoryApi = defineRoutes({
  list: {
    method: "GET",
    path: "/v1/directory",
    permission: "directory:read",
    summary: "Active staff, newest first; a patient sees those of their own care team and log",
    query: d.DirectoryQuery,
    response: d.DirectoryPage,
  },
  read: {
    method: "GET",
    path: "/v1/directory/{id}",
    permission: "directory:read",
    resource: "user",
    summary: "One person of the directory",
    response: d.DirectoryEntry,
    etag: true,
  },
  search: {
    method: "POST",
    path: "/v1/directory/search",
    permission: "patient:write",
    summary: "The account to link with a patient, by its whole user name or confirmed address; for staff",
    request: d.AccountSearch,
    response: d.FoundAccounts,
  },
  nameAll: {
    method: "POST",
    path: "/internal/people",
    internal: true,
    session: true,
    part: "people",
    summary: "The names of accounts, for what other services answer with the caller's assertion",
    request: d.NamesQuestion,
    response: d.NamesAnswer,
  },
});
