// EST by BouncyCastle's own client (org.bouncycastle.est). Run as a source file:
//   java -cp bcpkix.jar:… EstBouncy.java PORT ROOT LABEL OP [NAME KEY OUT WHO]
// OP: cacerts, csrattrs, enroll, reenroll, keygen. WHO: USER:SECRET, or a
// PKCS #12 file with the password "x". Prints what it got; 3: an HTTP status
// other than expected, which is printed.
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.FileReader;
import java.io.FileWriter;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.Collections;
import javax.net.ssl.X509TrustManager;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.est.CSRAttributesResponse;
import org.bouncycastle.est.ESTAuth;
import org.bouncycastle.est.ESTException;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.jcajce.JcaHttpAuthBuilder;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;

public class EstBouncy {
    static final char[] PASSWORD = {'x'};

    static X509TrustManager[] trust(String path) throws Exception {
        try (FileInputStream in = new FileInputStream(path)) {
            X509Certificate root = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
            return JcaJceUtils.getCertPathTrustManager(Collections.singleton(new TrustAnchor(root, null)), null);
        }
    }

    static ESTService service(String[] args, String who) throws Exception {
        JsseESTServiceBuilder builder = new JsseESTServiceBuilder("localhost:" + args[0], trust(args[1]));
        builder.withTimeout(20000);
        if (!args[2].isEmpty())
            builder.withLabel(args[2]);
        if (who != null && !who.contains(":")) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            try (FileInputStream in = new FileInputStream(who)) {
                store.load(in, PASSWORD);
            }
            builder.withKeyManagers(JcaJceUtils.createKeyManagerFactory("SunX509", null, store, PASSWORD).getKeyManagers());
        }
        return builder.build();
    }

    static PKCS10CertificationRequest csr(String name, String path) throws Exception {
        PEMParser pem = new PEMParser(new FileReader(path));
        PrivateKeyInfo key = (PrivateKeyInfo) pem.readObject();
        SubjectPublicKeyInfo spki = (SubjectPublicKeyInfo) pem.readObject();
        return new PKCS10CertificationRequestBuilder(new X500Name("CN=" + name), spki)
            .build(new JcaContentSignerBuilder("SHA256withECDSA").build(new JcaPEMKeyConverter().getPrivateKey(key)));
    }

    static EnrollmentResponse ask(ESTService est, String op, PKCS10CertificationRequest csr, ESTAuth auth) throws Exception {
        if (op.equals("keygen"))
            return est.simpleEnrollWithServersideCreation(csr, auth);
        return est.simpleEnroll(op.equals("reenroll"), csr, auth);
    }

    static void enroll(ESTService est, String[] args) throws Exception {
        String who = args.length > 7 ? args[7] : null;
        ESTAuth auth = null;
        if (who != null && who.contains(":")) {
            String[] parts = who.split(":", 2);
            auth = new JcaHttpAuthBuilder(parts[0], parts[1].toCharArray()).build();
        }
        EnrollmentResponse got = ask(est, args[3], csr(args[4], args[5]), auth);
        if (!got.isCompleted()) {
            System.out.println("waits " + (got.getNotBefore() > System.currentTimeMillis()));
            return;
        }
        try (JcaPEMWriter out = new JcaPEMWriter(new FileWriter(args[6]))) {
            for (X509CertificateHolder cert : ESTService.storeToArray(got.getStore()))
                out.writeObject(cert);
        }
        if (got.getPrivateKeyInfo() != null)
            try (FileOutputStream out = new FileOutputStream(args[6] + ".key")) {
                out.write(got.getPrivateKeyInfo().getEncoded());
            }
        System.out.println("issued");
    }

    static void run(String[] args) throws Exception {
        ESTService est = service(args, args.length > 7 ? args[7] : null);
        if (args[3].equals("cacerts")) {
            for (X509CertificateHolder cert : ESTService.storeToArray(est.getCACerts().getCertificateStore()))
                System.out.println(cert.getSubject());
        } else if (args[3].equals("csrattrs")) {
            CSRAttributesResponse attrs = est.getCSRAttributes().getAttributesResponse();
            System.out.println(attrs.getRequirements());
            System.out.println("challenge " + attrs.hasRequirement(PKCSObjectIdentifiers.pkcs_9_at_challengePassword));
        } else {
            enroll(est, args);
        }
    }

    public static void main(String[] args) throws Exception {
        java.security.Security.addProvider(new BouncyCastleProvider());
        try {
            run(args);
        } catch (ESTException e) {
            System.out.println("status " + e.getStatusCode());
            e.printStackTrace();
            System.exit(3);
        }
    }
}
