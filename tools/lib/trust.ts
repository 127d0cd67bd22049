import type { ConnectionOptions } from "node:tls";
import { createLogger, openTls } from "@medvault/service-kit";

/** Whom a command trusts, and who it is, to a server given with TLS: by the same settings as the services. Throws ConfigError. */
export async function trusted(env: NodeJS.ProcessEnv = process.env): Promise<ConnectionOptions> {
  const logger = createLogger({ service: "medvault", level: "silent" });
  const { MEDVAULT_TLS_CERT_FILE, MEDVAULT_TLS_KEY_FILE, MEDVAULT_TLS_CA_FILE } = env;
  const tls = await openTls({ MEDVAULT_TLS_CERT_FILE, MEDVAULT_TLS_KEY_FILE, MEDVAULT_TLS_CA_FILE }, logger);
  tls.close(); // a command is over before certificates change
  return tls.outgoing;
}
