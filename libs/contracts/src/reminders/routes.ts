import { defineRoutes } from "../route.ts";
import * as r from "./schemas.ts";

export const reminderApi = defineRoutes({
  readPreferences: {
    method: "GET",
    path: "/v1/auth/preferences",
    permission: "account:read",
    summary: "In which language and time zone the caller is reminded, and of what",
    response: r.PreferencesView,
  },
  changePreferences: {
    method: "PATCH",
    path: "/v1/auth/preferences",
    permission: "account:write",
    summary: "Change the caller's language, time zone and reminders",
    request: r.PreferencesPatch,
    response: r.PreferencesView,
    example: { language: "de", timeZone: "Europe/Berlin", reminders: { prescriptions: false } },
  },
  stop: {
    method: "POST",
    path: "/v1/auth/reminders/stop",
    summary: "Stop reminders of one kind by the link in one, without signing in",
    request: r.ReminderStop,
    errors: ["token_invalid"],
  },
  stopByMail: {
    method: "POST",
    path: "/v1/auth/reminders/stop/{token}",
    summary: "The same in one click of a mail program (RFC 8058), whose form is not read",
    resource: "reminder",
    request: r.OneClick,
    requestType: "application/x-www-form-urlencoded",
    requestOptional: true,
    errors: ["token_invalid"],
  },
});
