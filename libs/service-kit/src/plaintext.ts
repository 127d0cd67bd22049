const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** What each URL must be, so that nothing travels unencrypted; the texts say what to do. */
const REQUIREMENTS: { names: RegExp; isGood: (url: URL) => boolean; fault: string }[] = [
  {
    names: /^(MEDVAULT_(OWNER|SUPERUSER|READ)_)?DATABASE_URL$/,
    isGood: (url) => url.searchParams.getAll("sslmode").join() === "verify-full",
    fault: "is not TLS: add sslmode=verify-full to its query",
  },
  {
    names: /^REDIS_URL$/,
    // Its client takes options from the query, also those of TLS.
    isGood: (url) => url.protocol === "rediss:" && url.search === "",
    fault: "is not TLS: begin it with rediss:// and leave out a query",
  },
  {
    names: /^AMQP_URL$/,
    isGood: (url) => url.protocol === "amqps:",
    fault: "is not TLS: begin it with amqps://",
  },
  {
    names: /^MEDVAULT_(AUTH|RECORDS|FILES|AUDIT|BACKUP|PUBLIC)_URL$/,
    isGood: (url) => url.protocol === "https:",
    fault: "is not TLS: begin it with https://",
  },
  {
    names: /^OTEL_EXPORTER_OTLP_ENDPOINT$/,
    isGood: (url) => url.protocol === "https:" || LOOPBACK.test(url.hostname),
    fault: "is not TLS: begin it with https://, or name a collector on this machine",
  },
];

/** Settings without which a service would listen in clear, or to anyone. */
const NEEDED = {
  MEDVAULT_TLS_CERT_FILE: "missing: the chain that this service serves and calls with, PEM",
  MEDVAULT_TLS_KEY_FILE: "missing: its private key, PEM",
  MEDVAULT_TLS_CLIENT_CA_FILE: "missing: the CA of those that may call this service, PEM",
  MEDVAULT_PUBLIC_URL: "missing: where mailed links lead, https://",
};

/**
 * Of the settings that a service `reads`, those that would leave a connection unencrypted or
 * unchecked; none outside NODE_ENV=production, which is the default.
 */
export function plaintextFaults(
  reads: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Map<string, string> {
  const faults = new Map<string, string>();
  if ((env.NODE_ENV ?? "production") !== "production") return faults;
  for (const name of reads) {
    const url = URL.parse(env[name] ?? "");
    const requirement = REQUIREMENTS.find(({ names }) => names.test(name));
    if (url && requirement && !requirement.isGood(url)) faults.set(name, requirement.fault);
  }
  if (reads.includes("PORT")) {
    for (const [name, fault] of Object.entries(NEEDED))
      if (reads.includes(name) && !env[name]) faults.set(name, fault);
  }
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === "0")
    faults.set("NODE_TLS_REJECT_UNAUTHORIZED", "switches off the check of certificates: leave it out");
  return faults;
}
