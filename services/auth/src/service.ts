import { defineService } from "@medvault/runtime";
import { openLocations, writableDirectory } from "@medvault/service-kit";
import { addressJobs } from "./addresses/address.jobs.ts";
import { addressRoutes } from "./addresses/address.routes.ts";
import { calendarFeedRoutes } from "./calendar-feeds/calendar-feed.routes.ts";
import { AuthConfig } from "./config.ts";
import { openContext } from "./context.ts";
import { delegationRoutes } from "./delegations/delegation.routes.ts";
import { localDelegations } from "./delegations/delegation.service.ts";
import { directoryRoutes } from "./directory/directory.routes.ts";
import { erasureConsumers } from "./erasure/erasure.consumers.ts";
import { lockoutJobs, lockoutMetrics } from "./lockout/lockout.jobs.ts";
import { alertMailConsumers } from "./mail/alert-mail.consumers.ts";
import { mailJobs, mailMetrics } from "./mail/mail.jobs.ts";
import { mfaRoutes } from "./mfa/mfa.routes.ts";
import { passkeyRoutes } from "./passkeys/passkey.routes.ts";
import { passwordRoutes } from "./passwords/password.routes.ts";
import { openPasswordList } from "./passwords/password-list.store.ts";
import { preferenceRoutes } from "./reminders/preference.routes.ts";
import { reminderConsumers } from "./reminders/reminder.consumers.ts";
import { reminderJobs } from "./reminders/reminder.jobs.ts";
import { roleRoutes } from "./roles/role.routes.ts";
import { sessionJobs, sessionMetrics } from "./sessions/session.jobs.ts";
import { sessionRoutes } from "./sessions/session.routes.ts";
import { signInRoutes } from "./sign-in/sign-in.routes.ts";
import { signingKeyJobs } from "./signing-keys/signing-key.jobs.ts";
import { signingKeyRoutes } from "./signing-keys/signing-key.routes.ts";
import { sealedTables } from "./tables.ts";
import { tokenJobs } from "./tokens/token.jobs.ts";
import { ownAccountRoutes } from "./users/own-account.routes.ts";
import { userRoutes } from "./users/user.routes.ts";

export const service = defineService({
  name: "auth",
  config: AuthConfig,
  tables: sealedTables,
  pool: () => ({ prepared: true }),
  contents: {
    MEDVAULT_PASSWORD_LIST: async (file) => (await openPasswordList(file)).close(),
    MEDVAULT_GEOIP_FILE: openLocations,
    MEDVAULT_MAIL_DIR: writableDirectory,
  },
  open: openContext,
  routes: (ctx) => [
    ...signInRoutes(ctx),
    ...ownAccountRoutes(ctx),
    ...addressRoutes(ctx),
    ...passwordRoutes(ctx),
    ...preferenceRoutes(ctx),
    ...mfaRoutes(ctx),
    ...passkeyRoutes(ctx),
    ...sessionRoutes(ctx),
    ...calendarFeedRoutes(ctx),
    ...delegationRoutes(ctx),
    ...userRoutes(ctx),
    ...roleRoutes(ctx),
    ...directoryRoutes(ctx),
    ...signingKeyRoutes(ctx),
  ],
  delegations: localDelegations,
  jobs: (ctx) => [
    ...signingKeyJobs(ctx),
    ...sessionJobs(ctx),
    ...lockoutJobs(ctx),
    ...tokenJobs(ctx),
    ...mailJobs(ctx),
    ...addressJobs(ctx),
    ...reminderJobs(ctx),
  ],
  consumers: (ctx) => [...reminderConsumers(ctx), ...erasureConsumers(ctx), ...alertMailConsumers(ctx)],
  metrics: (ctx) => [...sessionMetrics(ctx), ...lockoutMetrics(ctx), ...mailMetrics(ctx)],
  checks: ({ mails }) => ({ mail: () => mails.probe() }),
  jsonLimitBytes: 64 * 1024,
});
