import { auditEvent, newId } from "@medvault/contracts";
import { indexKey, openKeyring } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { assertServiceMigrated, createPool, inTransaction } from "@medvault/postgres";
import { runOnce } from "@medvault/runtime";
import { insertAccount, openUserIndex } from "./accounts/account.store.ts";
import { newAccount } from "./accounts/account.ts";
import { adminExists } from "./accounts/account-list.store.ts";
import { BootstrapConfig } from "./config.ts";
import { newTotpSecret } from "./mfa/totp.ts";
import { createPasswordHasher } from "./passwords/password-hasher.service.ts";
import { randomPassword } from "./passwords/password-policy.ts";

// One shot: makes the first admin, with a random password and a second factor enrolled, and prints
// both as one line of JSON, for the operator's eyes alone; {"exists":true} when there is an admin.
// There is no default password anywhere.

await runOnce({
  name: "auth-bootstrap",
  service: "auth",
  config: BootstrapConfig,
  async work({ config, tls }) {
    const pool = createPool({
      connectionString: config.DATABASE_URL,
      tls: tls.outgoing,
      applicationName: "auth bootstrap",
      schema: "auth",
    });
    try {
      await assertServiceMigrated(pool, "auth");
      const keyring = await openKeyring(pool, {
        service: "auth",
        keysFile: config.MEDVAULT_KEYS_FILE,
        keysEnv: config.MEDVAULT_KEYS,
      });
      const username = config.MEDVAULT_ADMIN_USERNAME;
      const password = randomPassword({ username, email: config.MEDVAULT_ADMIN_EMAIL });
      const totpSecret = newTotpSecret();
      const hasher = await createPasswordHasher({ concurrent: 1, waitingMax: 1 });
      const passwordHash = await hasher.hash(password);
      const blindKey = await indexKey(pool, keyring, "auth.blind");
      const seals = { keyring, userIndex: await openUserIndex(pool, keyring), blindKey };
      const made = await inTransaction(pool, async (tx) => {
        // Two at once: the second waits here and then finds the admin of the first.
        await tx.query(`select pg_advisory_xact_lock(hashtext('medvault.auth.bootstrap'))`);
        if (await adminExists(tx)) return false;
        const email = config.MEDVAULT_ADMIN_EMAIL;
        const account = {
          ...newAccount({ id: newId(), username, email, role: "admin", passwordHash }, new Date()),
          mfaEnabled: true,
          totpSecret,
        };
        const details = await insertAccount(tx, seals, account);
        const event = auditEvent(null, {
          type: "medvault.auth.user.created.v1",
          subject: `user/${account.id}`,
          action: "user:write",
          reason: "bootstrap",
          details: { ...details, role: "admin" },
        });
        await emit(tx, "auth", event);
        return true;
      });
      process.stdout.write(
        `${JSON.stringify(made ? { username, password, totpSecret } : { exists: true })}\n`,
      );
      return true;
    } finally {
      await pool.end();
    }
  },
});
