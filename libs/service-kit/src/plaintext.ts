/** What each setting must be, so that nothing is said in clear; the words say what to do. */
const DEMANDS: { names: RegExp; isGood: (url: URL) => boolean; fault: string }[] = [
  {
    names: /^(MEDVAULT_(OWNER|SUPERUSER)_)?DATABASE_URL$/,
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
];

/** Settings without which a service would listen in clear, or to anyone. */
const NEEDED = {
  MEDVAULT_TLS_CERT_FILE: "missing: the chain that this service serves and calls with, PEM",
  MEDVAULT_TLS_KEY_FILE: "missing: its private key, PEM",
  MEDVAULT_TLS_CLIENT_CA_FILE: "missing: the CA of those that may call this service, PEM",
  MEDVAULT_PUBLIC_URL: "missing: where mailed links lead, https://",
};

/**
 * The settings, of those that a service `reads`, by which something would go over the wire in clear or unchecked; none
 * outside NODE_ENV=production, which is the default.
 */
export function plaintextFaults(
  reads: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Map<string, string> {
  const faults = new Map<string, string>();
  if ((env.NODE_ENV ?? "production") !== "production") return faults;
  for (const name of reads) {
    const url = URL.parse(env[name] ?? "");
    const demand = DEMANDS.find(({ names }) => names.test(name));
    if (url && demand && !demand.isGood(url)) faults.set(name, demand.fault);
  }
  if (reads.includes("PORT")) {
    for (const [name, fault] of Object.entries(NEEDED))
      if (reads.includes(name) && !env[name]) faults.set(name, fault);
  }
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === "0")
    faults.set("NODE_TLS_REJECT_UNAUTHORIZED", "switches off the check of certificates: leave it out");
  return faults;
}
