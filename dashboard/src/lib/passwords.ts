/** Length of a password in characters, as ASVS 5.0 requirement 6.2.1 and NIST SP 800-63B section 3.1.1.2 allow. */
export const PASSWORD_LENGTH = { min: 10, max: 128 };
