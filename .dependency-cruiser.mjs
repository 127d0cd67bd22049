// The directions of imports that ARCHITECTURE.md fixes ("The house"). `npm run check` proves on planted violations that
// the rules still see TypeScript: a parser that reads nothing finds nothing.

/** Our libraries, and which of our libraries each may import; testing may import all of them. */
const LIBS = {
  crypto: [],
  contracts: [],
  client: [], // for those who have nothing else of ours
  "log-verifier": [], // proves what the writer did: it shares nothing with it
  postgres: [],
  search: [],
  documents: ["contracts"],
  keys: ["crypto", "postgres"],
  messaging: ["contracts", "postgres"],
  "service-kit": ["contracts"],
  runtime: ["contracts", "crypto", "keys", "messaging", "postgres", "service-kit"],
};

const isTest = "([.]test[.]ts|[.]testdata[.]ts|/test/[^/]+[.]ts)$";

const libRules = Object.entries(LIBS).map(([lib, allowed]) => ({
  name: `lib-${lib}`,
  comment: `libs/${lib} imports ${allowed.length > 0 ? allowed.join(", ") : "none"} of our libraries`,
  severity: "error",
  from: { path: `^libs/${lib}/`, pathNot: isTest },
  to: { path: "^libs/", pathNot: `^libs/(${[lib, ...allowed].join("|")})/` },
}));

export default {
  forbidden: [
    ...libRules,
    {
      name: "service-to-service",
      comment: "Services meet over HTTP and events, never by import",
      severity: "error",
      from: { path: "^services/([^/]+)/" },
      to: { path: "^services/", pathNot: "^services/$1/" },
    },
    {
      name: "lib-to-service",
      comment: "A library knows no service",
      severity: "error",
      from: { path: "^libs/" },
      to: { path: "^(services|e2e|tools|dev|bench)/" },
    },
    {
      name: "testing-in-tests-only",
      comment: "libs/testing holds faults and known keys: only tests import it",
      severity: "error",
      from: { pathNot: ["^libs/testing/", "^e2e/", "^bench/", isTest] },
      to: { path: "^libs/testing/" },
    },
    {
      name: "verifiers-stand-alone",
      comment:
        "What an auditor runs away from MedVault needs Node alone: no package, none of our code but its own",
      severity: "error",
      from: {
        path: "^(libs/log-verifier/src/|tools/(audit-verify|verify-proof|verify-receipt|witness)[.]mjs$)",
        pathNot: isTest,
      },
      to: {
        path: ".",
        pathNot: ["^libs/log-verifier/src/", "^tools/verify-proof[.]mjs$", "^(node:)?[a-z_]+(/promises)?$"],
      },
    },
    {
      name: "writer-without-verifier",
      comment: "A verifier that the writer uses would be wrong together with it",
      severity: "error",
      from: { path: "^services/", pathNot: isTest },
      to: { path: "^libs/log-verifier/" },
    },
    {
      name: "runtime-in-services-only",
      comment: "libs/runtime joins the other libraries into services; nothing else is built on it",
      severity: "error",
      from: { path: "^(libs|scripts|tools|dev)/", pathNot: ["^libs/(runtime|testing)/", isTest] },
      to: { path: "^libs/runtime/" },
    },
    {
      name: "only-the-front-door",
      comment: "A library is imported by its name, through an entry of its package.json",
      severity: "error",
      from: { path: "^(libs|services|tools|dev|bench|e2e)/([^/]+)/" },
      to: {
        path: "^libs/([^/]+)/src/",
        pathNot: [
          "^libs/[^/]+/src/index[.](ts|mjs)$",
          "^libs/keys/src/operations/index[.]ts$",
          "^libs/log-verifier/src/(node/(index|command)|witness/command)[.]mjs$",
          "^libs/service-kit/src/line-writer[.]ts$",
          "^libs/service-kit/src/telemetry/start[.]ts$",
          "^$1/$2/",
        ],
      },
    },
    {
      name: "operations-for-commands",
      comment: "What only operators' commands do with keys, no service and no other library can do",
      severity: "error",
      from: { path: "^(services|libs)/", pathNot: ["^libs/(keys|testing)/", isTest] },
      to: { path: "^libs/keys/src/operations/" },
    },
    {
      name: "services-by-declared-entries",
      comment: "Commands import of a service what its package.json exports (tables, config), by its name",
      severity: "error",
      from: { path: "^(tools|dev)/", pathNot: isTest },
      to: { path: "^services/", dependencyTypes: ["local"] },
    },
    {
      name: "tools-without-dev",
      comment: "What operators run is in the image, what developers run is not",
      severity: "error",
      from: { path: "^tools/" },
      to: { path: "^dev/" },
    },
    {
      name: "starts-no-program",
      comment: "What serves requests starts no program and runs no text as code",
      severity: "error",
      from: { path: "^(services|libs)/", pathNot: ["^libs/testing/", isTest] },
      to: { path: "^(node:)?(child_process|vm)$" },
    },
    {
      name: "no-cycles",
      comment: "Files that import each other are one file (types may: they are gone when it runs)",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "unresolvable",
      comment: "Every import leads somewhere",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: "swc", // TypeScript 7 is native and has no API to parse with
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(node_modules|[.]data|[.]turbo)/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".mjs", ".js", ".json"],
    },
    tsPreCompilationDeps: true,
  },
};
