import type { Language, Reminder } from "@medvault/contracts";
import { link, type Mail, SIGNATURE } from "../mail/mail.ts";

interface Words extends Readonly<Record<Reminder, string>> {
  readonly subject: string;
  readonly signIn: string;
  readonly stop: string;
}

/** Nothing of whom, what or when: one who reads along learns that there is an account. */
const WORDS: Readonly<Record<Language, Words>> = {
  en: {
    subject: "A reminder from MedVault",
    prescriptions: "Something in your MedVault ends soon.",
    appointments: "Something in your MedVault comes up soon.",
    signIn: "Sign in to see what it is:",
    stop: "To get no more reminders of this kind, stop them here; you need not sign in:",
  },
  de: {
    subject: "Eine Erinnerung von MedVault",
    prescriptions: "In Ihrem MedVault endet bald etwas.",
    appointments: "In Ihrem MedVault steht bald etwas an.",
    signIn: "Melden Sie sich an, um zu sehen, was es ist:",
    stop: "Wenn Sie keine Erinnerungen dieser Art mehr möchten, bestellen Sie sie hier ab, ohne sich anzumelden:",
  },
  es: {
    subject: "Un recordatorio de MedVault",
    prescriptions: "Algo en su MedVault termina pronto.",
    appointments: "Algo en su MedVault tendrá lugar pronto.",
    signIn: "Inicie sesión para ver de qué se trata:",
    stop: "Si no desea más recordatorios de este tipo, puede desactivarlos aquí sin iniciar sesión:",
  },
  fr: {
    subject: "Un rappel de MedVault",
    prescriptions: "Quelque chose se termine bientôt dans votre MedVault.",
    appointments: "Quelque chose est prévu bientôt dans votre MedVault.",
    signIn: "Connectez-vous pour voir de quoi il s'agit :",
    stop: "Si vous ne voulez plus de rappels de ce type, arrêtez-les ici, sans vous connecter :",
  },
  it: {
    subject: "Un promemoria da MedVault",
    prescriptions: "Qualcosa nel suo MedVault termina a breve.",
    appointments: "Qualcosa nel suo MedVault è previsto a breve.",
    signIn: "Acceda per vedere di che cosa si tratta:",
    stop: "Se non desidera più promemoria di questo tipo, può disattivarli qui senza accedere:",
  },
  nl: {
    subject: "Een herinnering van MedVault",
    prescriptions: "In uw MedVault loopt binnenkort iets af.",
    appointments: "In uw MedVault staat binnenkort iets gepland.",
    signIn: "Meld u aan om te zien wat het is:",
    stop: "Wilt u geen herinneringen van deze soort meer? Zet ze hier uit, zonder u aan te melden:",
  },
  pl: {
    subject: "Przypomnienie z MedVault",
    prescriptions: "W Twoim MedVault wkrótce coś się kończy.",
    appointments: "W Twoim MedVault wkrótce coś nadchodzi.",
    signIn: "Zaloguj się, aby zobaczyć szczegóły:",
    stop: "Jeśli nie chcesz więcej przypomnień tego rodzaju, wyłącz je tutaj bez logowania:",
  },
  pt: {
    subject: "Um lembrete do MedVault",
    prescriptions: "Algo no seu MedVault termina em breve.",
    appointments: "Algo no seu MedVault acontece em breve.",
    signIn: "Inicie sessão para ver do que se trata:",
    stop: "Se não quiser mais lembretes deste tipo, desative-os aqui, sem iniciar sessão:",
  },
};

/**
 * A reminder. Its reader stops more of them on a page, or in one click of their mail program (RFC
 * 8058), which sends a POST and no one's session.
 */
export function reminderMail(o: {
  to: string;
  language: Language;
  kind: Reminder;
  publicUrl: string;
  stopToken: string;
}): Mail {
  const words = WORDS[o.language];
  const oneClick = new URL(`/v1/auth/reminders/stop/${o.stopToken}`, o.publicUrl).href;
  return {
    to: o.to,
    subject: words.subject,
    text: `${words[o.kind]} ${words.signIn}

${new URL("/", o.publicUrl).href}

${words.stop}

${link(o.publicUrl, "stop-reminders", o.stopToken)}${SIGNATURE}`,
    headers: {
      "List-Unsubscribe": `<${oneClick}>`,
      "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
      "Auto-Submitted": "auto-generated",
    },
  };
}
