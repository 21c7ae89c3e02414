import { errors, importJWK, type JWK, jwtVerify } from 'jose';
import { type CustomerId, customerId } from '../conversation/identifier.ts';
import { settings } from './settings.ts';

/** Of public keys alone: no shared secret, and not none. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
/** A token is made for the page that is being opened, not for keeping. */
const OLDEST = '10 minutes';
const SKEW_SECONDS = 60;
const TOKEN_LENGTH = 4_096;

/**
 * Which customer of the shop a token names: signed by one of the shop's keys, for this bot (`aud`), not older than ten
 * minutes (`iat`, `exp`); `sub` is the customer. Null for any other.
 */
export async function customerOf(token: string): Promise<CustomerId | null> {
  const { SHOP_SIGNING_KEYS: set, SHOP_TOKEN_AUDIENCE: audience } = settings();
  if (!set || token.length > TOKEN_LENGTH) return null;
  for (const key of set.keys) {
    try {
      const { payload } = await jwtVerify(token, (header) => importJWK(key as JWK, header.alg), {
        algorithms: ALGORITHMS,
        audience,
        maxTokenAge: OLDEST,
        clockTolerance: SKEW_SECONDS,
        requiredClaims: ['sub', 'exp', 'iat'],
      });
      return customerId(payload.sub ?? '');
    } catch (error) {
      // Of another key, perhaps: the next one says. A key that does not fit the token's algorithm is a TypeError or a DOMException.
      if (![errors.JOSEError, TypeError, DOMException].some((kind) => error instanceof kind)) throw error;
    }
  }
  return null;
}
