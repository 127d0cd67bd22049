import type { AccountRole } from "@medvault/contracts";
import { sealedTable } from "@medvault/keys";
import type { SessionKind } from "./session.ts";

interface SealedSession {
  id: string;
  rev: number;
  userId: string;
  role: AccountRole;
  kind: SessionKind;
  createdAt: Date;
  ip: string;
  userAgent: string;
}

export const sealedSessions = sealedTable<SealedSession>({
  service: "auth",
  table: "sessions",
  id: "id",
  subject: "user_id",
  typed: ["user_id", "role", "kind", "created_at"],
  sealed: ["ip", "user_agent"],
  open: [],
  alwaysSealed: ["ip", "user_agent"],
});
