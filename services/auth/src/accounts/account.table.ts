import type { AccountRole, Language, Reminder } from "@medvault/contracts";
import { sealedTable } from "@medvault/keys";
import type { PendingTotp, Persona } from "./account.ts";

/** What the box and the columns that are bound into it hold. */
export interface SealedAccount extends Persona {
  id: string;
  rev: number;
  role: AccountRole;
  disabled: boolean;
  activated: boolean;
  mfaEnabled: boolean;
  username: string;
  /** Null where the address is claimed only: then it stands in pendingEmail. */
  email: string | null;
  pendingEmail: string | null;
  /** As in Account. Absent in boxes of before, whose addresses count as confirmed. */
  emailUnconfirmed: boolean | null;
  pendingUntil: string | null;
  passwordHash: string | null;
  totpSecret: string | null;
  pendingTotp: PendingTotp | null;
  /** As in Account. Absent in boxes of before. */
  language: Language | null;
  timeZone: string | null;
  stoppedReminders: readonly Reminder[] | null;
}

const SEALED = [
  ...["username", "email", "pending_email", "email_unconfirmed", "pending_until"],
  ...["password_hash", "totp_secret", "pending_totp"],
  ...["name", "title", "speciality", "professional_number"],
  ...["language", "time_zone", "stopped_reminders"],
];

export const sealedUsers = sealedTable<SealedAccount>({
  service: "auth",
  table: "users",
  id: "id",
  subject: "id",
  typed: ["role", "disabled", "activated", "mfa_enabled"],
  sealed: SEALED,
  open: [],
  exact: ["username", "email"],
  alwaysSealed: SEALED,
  alwaysIndexed: ["username", "email"],
});
