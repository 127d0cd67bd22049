import { sealedTable } from "@medvault/keys";

interface SealedPasskey {
  id: string;
  rev: number;
  userId: string;
  credentialId: string;
  publicKey: string;
  name: string;
  transports: string[];
  backedUp: boolean;
  /** Absent in boxes of before. */
  suspended: boolean | null;
}

const SEALED = ["credential_id", "public_key", "name", "transports", "backed_up", "suspended"];

export const sealedPasskeys = sealedTable<SealedPasskey>({
  service: "auth",
  table: "passkeys",
  id: "id",
  subject: "user_id",
  typed: ["user_id"],
  sealed: SEALED,
  open: [],
  alwaysSealed: SEALED,
});
