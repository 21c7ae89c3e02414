import { EncryptJWT, type JWTPayload, jwtDecrypt } from 'jose';
import type { z } from 'zod';
import { settings } from './settings.ts';

/**
 * What this app gives to a browser and wants back as it was: read and changed by nobody else, for one purpose, and until a time. By the
 * key of the settings (CONSOLE_SESSION_KEY), which all instances share.
 */
/** What was sealed by nobody here, for another purpose, or is over. */
export class Unsealed extends Error {}

const LENGTH = 8_192;

export async function seal(purpose: string, content: object, seconds: number): Promise<string> {
  return await new EncryptJWT(content as JWTPayload)
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .setAudience(purpose)
    .setIssuedAt()
    .setExpirationTime(`${seconds} s`)
    .encrypt(await key());
}

/** Throws {@link Unsealed}. */
export async function opened<T>(purpose: string, sealed: string, schema: z.ZodType<T>): Promise<T> {
  if (sealed.length > LENGTH) throw new Unsealed('too long');
  try {
    const { payload } = await jwtDecrypt(sealed, await key(), {
      audience: purpose,
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
      requiredClaims: ['exp'],
    });
    return schema.parse(payload);
  } catch (error) {
    throw new Unsealed('not sealed here, or over', { cause: error });
  }
}

async function key(): Promise<Uint8Array> {
  const { CONSOLE_SESSION_KEY: secret } = settings();
  if (!secret) throw new Unsealed('CONSOLE_SESSION_KEY is not set');
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret)));
}
