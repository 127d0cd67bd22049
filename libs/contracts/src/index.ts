export * from "./actor.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./http.ts";
export * from "./ids.ts";
export * from "./openapi.ts";
export * from "./permissions.ts";
// Each service's owner adds its line when its file lands:
export * from "./audit.ts";
export * from "./auth.ts";
export * from "./auth-routes.ts";
export * from "./backup.ts";
export * from "./files.ts";
export * from "./records.ts";
export * from "./records-routes.ts";
