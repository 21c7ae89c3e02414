import { DefaultAzureCredential, ManagedIdentityCredential, type TokenCredential } from '@azure/identity';
import { settings } from './settings.ts';

let shared: TokenCredential | undefined;

/**
 * The identity this process acts as: in Azure its user-assigned one, else whoever is signed in. Where no identity is to be had from the
 * machine, AZURE_CLIENT_ID is whom a pipeline signed in as.
 */
export function credential(): TokenCredential {
  const { AZURE_CLIENT_ID: clientId, IDENTITY_ENDPOINT: endpoint } = settings();
  shared ??= clientId && endpoint ? new ManagedIdentityCredential({ clientId }) : new DefaultAzureCredential();
  return shared;
}
