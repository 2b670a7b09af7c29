/*
 * EXIficient, out of the jar of the peer, as a process that answers line by line: XML to EXI and back.
 * Compiled at run time by exificient.py; fields of a line are separated by tabs, octets are in hexadecimal.
 *
 *   grammar  NAME  schema PATH | class NAME     makes a grammar from a schema, or takes one that the peer's codec is built with
 *   encode   NAME  document|fragment  XML       answers "ok EXI"
 *   decode   NAME  document|fragment  EXI       answers "ok XML"
 *
 * Whatever goes wrong is answered with "no" and a text.
 */
import com.siemens.ct.exi.core.EXIFactory;
import com.siemens.ct.exi.core.grammars.Grammars;
import com.siemens.ct.exi.core.helpers.DefaultEXIFactory;
import com.siemens.ct.exi.grammars.GrammarFactory;
import com.siemens.ct.exi.main.api.sax.EXIResult;
import com.siemens.ct.exi.main.api.sax.EXISource;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import javax.xml.parsers.SAXParserFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.stream.StreamResult;
import org.xml.sax.InputSource;
import org.xml.sax.XMLReader;

public class Exificient {
    private static final Map<String, Grammars> GRAMMARS = new HashMap<>();
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream out = System.out;
        System.setOut(System.err); // the jar prints
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "ok\t" + answer(line.split("\t"));
            } catch (Throwable problem) {
                answer = "no\t" + problem.toString().replaceAll("\\s+", " ");
            }
            out.println(answer);
            out.flush();
        }
    }

    private static String answer(String[] words) throws Exception {
        if (words[0].equals("grammar")) {
            GRAMMARS.put(words[1], grammar(words[2], words[3]));
            return "";
        }
        EXIFactory factory = factory(GRAMMARS.get(words[1]), words[2].equals("fragment"));
        byte[] octets = HEX.parseHex(words[3]);
        return HEX.formatHex(words[0].equals("encode") ? encode(factory, octets) : decode(factory, octets));
    }

    private static Grammars grammar(String kind, String name) throws Exception {
        if (kind.equals("schema")) {
            return GrammarFactory.newInstance().createGrammars(name);
        }
        return (Grammars) Class.forName(name).getDeclaredConstructor().newInstance();
    }

    /** The options of every V2G peer: no string table, nothing preserved, nothing learned. */
    private static EXIFactory factory(Grammars grammars, boolean fragment) {
        EXIFactory factory = DefaultEXIFactory.newInstance();
        factory.setGrammars(grammars);
        factory.setFragment(fragment);
        factory.setValuePartitionCapacity(0);
        factory.setMaximumNumberOfBuiltInElementGrammars(0);
        factory.setMaximumNumberOfBuiltInProductions(0);
        return factory;
    }

    private static byte[] encode(EXIFactory factory, byte[] xml) throws Exception {
        ByteArrayOutputStream octets = new ByteArrayOutputStream();
        EXIResult result = new EXIResult(factory);
        result.setOutputStream(octets);
        SAXParserFactory parsers = SAXParserFactory.newInstance();
        parsers.setNamespaceAware(true);
        XMLReader reader = parsers.newSAXParser().getXMLReader();
        reader.setContentHandler(result.getHandler());
        reader.parse(new InputSource(new ByteArrayInputStream(xml)));
        return octets.toByteArray();
    }

    private static byte[] decode(EXIFactory factory, byte[] exi) throws Exception {
        ByteArrayOutputStream xml = new ByteArrayOutputStream();
        EXISource source = new EXISource(factory);
        source.setInputSource(new InputSource(new ByteArrayInputStream(exi)));
        TransformerFactory.newInstance().newTransformer().transform(source, new StreamResult(xml));
        return xml.toByteArray();
    }
}
