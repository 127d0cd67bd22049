import { defineConfig } from "vitest/config";

const json = process.env.MEDVAULT_TEST_JSON;

// Real servers are shared by all files, so a file isolates itself by database, virtual host and Redis prefix.
const shared = {
  pool: "forks" as const,
  testTimeout: 60_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 15_000 } },
};

export default defineConfig({
  test: {
    reporters: json ? ["default", ["json", { outputFile: json }]] : ["default"],
    maxWorkers: 3, // on 2 cores: many tests wait for servers
    projects: [
      {
        test: {
          ...shared,
          name: "parts",
          include: ["libs", "services", "tools", "dev", "bench"].map((top) => `${top}/**/*.test.ts`),
          exclude: ["**/node_modules/**"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: "deploy",
          include: ["deploy/**/*.test.ts"],
          globalSetup: ["deploy/check/global-setup.ts"],
          exclude: ["**/node_modules/**"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: "e2e",
          include: ["e2e/**/*.test.ts"],
          globalSetup: ["e2e/global-setup.ts"],
          exclude: ["**/node_modules/**"],
          // They share one whole MedVault: after everything else, one file at a time.
          sequence: { groupOrder: 1 },
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
