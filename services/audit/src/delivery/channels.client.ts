import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import { ConfigError } from "@medvault/service-kit";
import type { AuditConfig } from "../config.ts";
import type { Channels } from "./delivery.ts";
import { syslogChannel } from "./syslog.client.ts";
import { webhookChannel } from "./webhook.client.ts";

/** The ways out that the settings name. Throws ConfigError for files that do not fit. */
export function channelsOf(config: AuditConfig, now: () => Date): Channels {
  const { MEDVAULT_ALERT_WEBHOOK_URL: webhook, MEDVAULT_ALERT_SYSLOG_URL: syslog } = config;
  const secureContext = receiverContext(config);
  return {
    ...(webhook && {
      webhook: webhookChannel({
        url: webhook,
        secrets: config.MEDVAULT_ALERT_WEBHOOK_SECRETS ?? [],
        allowPrivate: config.MEDVAULT_ALERT_WEBHOOK_PRIVATE,
        ...{ secureContext, now },
      }),
    }),
    ...(syslog && { syslog: syslogChannel({ url: syslog, secureContext }) }),
  };
}

/** By which certificates receivers are known, and we to them: nothing of what services share. */
function receiverContext(config: AuditConfig): SecureContext {
  const read = (file: string | undefined) => (file ? { pem: readFileSync(file, "utf8") } : null);
  const [ca, cert, key] = [
    read(config.MEDVAULT_ALERT_CA_FILE),
    read(config.MEDVAULT_ALERT_CERT_FILE),
    read(config.MEDVAULT_ALERT_KEY_FILE),
  ];
  try {
    return createSecureContext({
      minVersion: "TLSv1.2",
      ...(ca && { ca: ca.pem }),
      ...(cert && key && { cert: cert.pem, key: key.pem }),
    });
  } catch {
    const fault = "the files for receivers of alerts hold no PEM certificates, or another certificate's key";
    throw new ConfigError(new Map([["MEDVAULT_ALERT_CA_FILE", fault]]));
  }
}
