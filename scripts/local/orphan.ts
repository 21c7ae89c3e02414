/** Preloaded into every process that the platform starts: asks it to end when the platform is gone without having said so. */
if (process.channel) {
  process.once('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.exit(1), 5_000).unref();
  });
  // The channel must not keep the process alive.
  process.channel.unref();
}
