import { useAzureMonitor } from 'applicationinsights';
import { credential } from './identity.ts';
import { settings } from './settings.ts';

/** Sends spans to Application Insights. Loaded only where a connection string is set: the package takes most of a second to load. */
export async function start(): Promise<void> {
  // Usage statistics of the library itself; they try addresses outside before anything else is sent.
  process.env.APPLICATION_INSIGHTS_NO_STATSBEAT ??= '1';
  useAzureMonitor({
    azureMonitorExporterOptions: {
      connectionString: settings().APPLICATIONINSIGHTS_CONNECTION_STRING!,
      // In Azure the resource takes no keys (infra: DisableLocalAuth).
      ...(settings().AZURE_CLIENT_ID ? { credential: credential() } : {}),
      // A function app's disk is not its own; what can't be sent is dropped.
      disableOfflineStorage: true,
    },
    // Every turn, not 5 a second: the volume is bounded by sampling at ingestion, as one setting for all services.
    samplingRatio: 1,
    tracesPerSecond: 0,
    enableLiveMetrics: false,
    enableStandardMetrics: false,
    enablePerformanceCounters: false,
    instrumentationOptions: { http: { enabled: false }, azureSdk: { enabled: false } },
  });
}
