# foundry's anvil, at the version that contracts/package-lock.json pins.
FROM node:22-bookworm-slim
WORKDIR /opt/contracts
COPY contracts/package.json contracts/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund \
    && ln -s /opt/contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil /usr/local/bin/anvil
VOLUME /state
EXPOSE 8545
CMD ["anvil", "--host", "0.0.0.0", "--hardfork", "prague", "--state", "/state/chain.json", "--state-interval", "2"]
