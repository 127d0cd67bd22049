import type { MailedPage } from "@medvault/contracts";

/** What a page asks for and where it sends it: constants, with nothing of a request in them. */
export interface PageText {
  readonly title: string;
  readonly intro: string;
  /** The public operation that the form calls; with the mail's token unless there is none. */
  readonly call: `POST /v1/auth/${string}`;
  readonly takesToken: boolean;
  readonly field?: "newPassword" | "email";
  /** An option beside the field, by its name in the call. */
  readonly option?: { readonly name: string; readonly label: string };
  readonly button: string;
  /** After it worked: what is so now, and what is next. */
  readonly done: string;
  readonly next: string;
}

const SIGN_IN =
  "Sign in with your user name or this address and the new password. If your role asks for a second factor, you are asked for it, or to set it up.";

export const PAGE_TEXTS: Readonly<Record<MailedPage, PageText>> = {
  invitation: {
    title: "Choose your password",
    intro: "An account was made for you. Choose the password that you will sign in with.",
    call: "POST /v1/auth/password/reset",
    takesToken: true,
    field: "newPassword",
    button: "Set the password",
    done: "Your password is set.",
    next: SIGN_IN,
  },
  "reset-password": {
    title: "Choose a new password",
    intro: "Your old password ends when you have chosen a new one, and so does every session.",
    call: "POST /v1/auth/password/reset",
    takesToken: true,
    field: "newPassword",
    option: {
      name: "removeFactors",
      label: "I did not set up the second factor of this account: remove it",
    },
    button: "Set the new password",
    done: "Your new password is set, and all sessions have ended.",
    next: SIGN_IN,
  },
  "confirm-address": {
    title: "Confirm your address",
    intro: "You read this address. If you did not ask for it, close this page: nothing changes.",
    call: "POST /v1/auth/email/verify",
    takesToken: true,
    button: "Confirm this address",
    done: "This address is confirmed.",
    next: "You can sign in now. Mails about your account come to this address.",
  },
  "keep-address": {
    title: "Keep this address",
    intro:
      "An administrator gave your account another address. If you do not want that, keep this one. If you asked for it, close this page.",
    call: "POST /v1/auth/email/object",
    takesToken: true,
    button: "Keep this address",
    done: "Your account keeps this address.",
    next: "If you do not know why it was to be changed, ask those who run your MedVault.",
  },
  "forgot-password": {
    title: "Ask for a new password",
    intro: "Give the address of your account. A mail with a link comes to it, if there is one.",
    call: "POST /v1/auth/password/forgot",
    takesToken: false,
    field: "email",
    button: "Send the mail",
    done: "If an account has this address, a mail is on its way.",
    next: "Open the link in it: the mail says how long it is good. If none comes, look among unwanted mail, or ask those who run your MedVault.",
  },
  "stop-reminders": {
    title: "Stop reminders",
    intro:
      "Get no more reminders of the kind that brought you here. If you want to keep them, close this page.",
    call: "POST /v1/auth/reminders/stop",
    takesToken: true,
    button: "Stop these reminders",
    done: "You get no more reminders of this kind.",
    next: "When you are signed in you can turn them on again.",
  },
};

const FIELDS = {
  newPassword: `<label for="field">New password</label>
      <input id="field" name="newPassword" type="password" autocomplete="new-password" required>
      <label class="option"><input id="show" type="checkbox"> Show the password</label>`,
  email: `<label for="field">Address</label>
      <input id="field" name="email" type="email" autocomplete="email" inputmode="email" required>`,
};

const escaped = (text: string) => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);

const optionHtml = ({ name, label }: { name: string; label: string }) =>
  `<label class="option"><input id="option" name="${name}" type="checkbox"> ${escaped(label)}</label>`;

/** Without script nothing reads the fragment, so the reader does. */
const LINK_FIELD = `<noscript><label for="link">The link in the mail, as a whole</label>
      <input id="link" name="token" type="text" required></noscript>`;

/** What became of a form that was sent without script. */
export interface Sent {
  readonly isDone: boolean;
  /** What went wrong. */
  readonly lines: readonly string[];
}

/**
 * The page as HTML, with its one script and one style inside: both are allowed by their hash. It
 * works without the script too: then its form comes back as a page.
 */
export function pageHtml(
  name: MailedPage,
  { script, style }: { script: string; style: string },
  { isDone, lines }: Sent = { isDone: false, lines: [] },
): string {
  const text = PAGE_TEXTS[name];
  const title = escaped(text.title);
  const path = escaped(text.call.slice("POST ".length));
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="robots" content="noindex">
    <title>${title} – MedVault</title>
    <style>${style}</style>
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      <form id="form" method="post" action="/${name}" data-call="${path}" data-takes-token="${text.takesToken}"${isDone ? " hidden" : ""}>
      <p>${escaped(text.intro)}</p>
      ${text.takesToken ? LINK_FIELD : ""}
      ${text.field ? FIELDS[text.field] : ""}
      ${text.option ? optionHtml(text.option) : ""}
      <button>${escaped(text.button)}</button>
      </form>
      <div id="problem" role="alert">${lines.map((line) => `<p>${escaped(line)}</p>`).join("")}</div>
      <div id="done" tabindex="-1"${isDone ? "" : " hidden"}>
      <h2>${escaped(text.done)}</h2>
      <p>${escaped(text.next)}</p>
      </div>
    </main>
    <script>${script}</script>
  </body>
</html>
`;
}
