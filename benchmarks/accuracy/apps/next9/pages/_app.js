export default ({ Component, pageProps }) => <Component {...pageProps} />;
