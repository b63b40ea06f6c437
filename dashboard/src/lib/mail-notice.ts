/** What the operator must do before people can sign up with a password. */
export const NO_MAIL =
  "This server cannot send e-mail, so nobody can create an account with a password. " +
  "Its operator must set TASKDECK_SMTP_URL and TASKDECK_MAIL_FROM.";
