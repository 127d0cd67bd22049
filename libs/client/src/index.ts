export type { Patience } from "./attempts.ts";
export {
  type Answer,
  type CallOptions,
  type ClientOptions,
  type DataOf,
  type InputOf,
  MedVaultClient,
} from "./client.ts";
export { NoAnswer, ProblemError } from "./problem.ts";
export type * from "./schema.ts";
export type { Session, SessionStore, Tokens } from "./session.ts";
