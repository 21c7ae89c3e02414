import { DefaultAzureCredential, ManagedIdentityCredential, type TokenCredential } from '@azure/identity';
import { settings } from './settings.ts';

let shared: TokenCredential | undefined;

/** The identity this process acts as: its user-assigned identity in Azure, else whoever is signed in. */
export function credential(): TokenCredential {
  const { AZURE_CLIENT_ID: clientId } = settings();
  shared ??= clientId ? new ManagedIdentityCredential({ clientId }) : new DefaultAzureCredential();
  return shared;
}
