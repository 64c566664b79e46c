/* essay.c - the essay haystack: plain prose written for this project. One sentence an entry; one that ends in a newline ends a paragraph.
 * No digits, and no word of words.c, so that no key and no value occurs by chance (the unit test looks). */
#include "needle_internal.h"

static const char *const sentences[] = {
    "Most people learn to bake bread from someone who has already stopped thinking about it.",
    "My grandmother never weighed anything, and when I asked her how much flour to use she looked at me as if I had asked how much air to "
    "breathe.",
    "She would press two fingers into the dough and wait to see how slowly the dents filled up.",
    "If they came back at once it needed more time, and if they stayed it had waited too long.",
    "For years I took this for a kind of secret, and only much later did I see that it was a measurement.",
    "The dough was telling her how much gas it held, and her fingers were the gauge.\n",

    "I think a good deal of practical knowledge looks like this from the outside.",
    "A person who has done something ten thousand times no longer sees the steps, and so cannot name them.",
    "Ask a carpenter why he turned the plank around and he may need a minute to find the answer.",
    "The answer is there, but it lives in the hands and has to be fetched.",
    "This is why a manual written by an expert is so often useless to a beginner.",
    "The expert leaves out exactly the parts that have become invisible.",
    "The best manuals are written in the second year, when the work goes well and the mistakes are still remembered.\n",

    "There was a woman in our street who repaired chairs.",
    "People brought her the ones that had been sat on for three generations, and she would turn each of them upside down before she said a "
    "word.",
    "From below, she told me, a chair cannot lie.",
    "The top has been polished and painted for visitors, but underneath you see where the joints have moved and which leg has been "
    "replaced.",
    "She kept a notebook in which every chair had a page, with a drawing and a list of what had been done to it.",
    "When the same chair returned after some years she could say what had held and what had not.",
    "She called this her only teacher.\n",

    "Writing things down sounds like a small habit, and it is, but it changes what you are able to notice.",
    "Without a record every failure seems new.",
    "With one, you discover that the glue always gives way in the same month, when the heating comes on and the air turns dry.",
    "The cause was in front of you all along, spread over ten winters, and no single winter could have shown it.",
    "A page of dates and short remarks is enough to bring it together.",
    "I have known scientists who could not tell me what they did on a Tuesday in March, and chair menders who could.\n",

    "On market days the square fills before sunrise.",
    "The people who sell cheese arrive first, because they need the side where the sun does not reach until noon.",
    "After them come the growers with their crates of onions and beans, and last of all the man who sharpens knives, who needs no space "
    "and no "
    "shade.",
    "Nobody has ever drawn a plan of who stands where.",
    "If you asked for the rule, you would be told that there is none.",
    "Yet when a stranger once put his table in the wrong place, four people came over to explain it to him, kindly and without raising "
    "their "
    "voices, until he moved.\n",

    "An order that nobody has written down can be very exact.",
    "It survives because each person guards only a small piece of it.",
    "The cheese seller knows about the sun, the growers know how wide a cart has to turn, and the knife man knows where people tend to "
    "stop and "
    "talk.",
    "Put together, these pieces make something that looks designed.",
    "I find this comforting, and also a warning, since an arrangement of this kind can be lost without anyone having decided to give it "
    "up.\n",

    "When the town rebuilt the square, the engineers measured everything that could be measured.",
    "They counted the stalls and the people and the hours.",
    "They put in drains and lamps and a row of young trees, all of which were needed.",
    "Then the market came back, and for a whole summer nothing was where it belonged.",
    "The cheese stood in the sun because a tree had been planted in its old place, too small as yet to give any shade.",
    "It took two seasons of moving about before the square worked again, and it was never quite the same.\n",

    "None of this was anyone's fault.",
    "You cannot ask about a rule that the people who follow it do not know they are following.",
    "What you can do is watch before you change things, and watch for longer than seems reasonable.",
    "A friend of mine who designs hospital wards spends the first month sitting in a corner with a cup of tea.",
    "The staff forget about her after three days, and from then on she sees what happens instead of what is supposed to happen.",
    "Her drawings begin only when she is able to predict where the next person will go.\n",

    "I have tried to apply this to my own work, which consists mostly of reading what others have written and saying what I think of it.",
    "The temptation is to begin with an opinion.",
    "An opinion gives you something to hold on to, and it makes the pages go by faster, because you only need to look for what agrees or "
    "disagrees.",
    "But a book read in this way leaves nothing behind except the opinion you had before.",
    "So I now read the first chapter twice, once as it comes and once with a pencil, and I do not allow myself a judgement until the "
    "second time "
    "is over.",
    "It is slower, and I make fewer mistakes that I have to apologise for.\n",

    "A choir is another good place to study how people find an order together.",
    "In the one I sing with, there are about forty of us, and perhaps six can read music well.",
    "The others listen to those six, half a beat behind, and after a few weeks nobody can hear the delay.",
    "If you take one of the six away the whole row becomes uncertain, though each of the others would swear that they know their part by "
    "heart.",
    "They do know it, in a sense, but what they know is how to follow a particular voice.",
    "Our conductor understands this and never lets two of the readers be absent on the same evening.\n",

    "She also has a trick for finding out who is leading and who is being led.",
    "At some point in the rehearsal she asks everyone to close their eyes and to keep singing, and then she walks along the rows and "
    "touches one "
    "person on the shoulder, who must fall silent.",
    "Sometimes nothing happens at all.",
    "Sometimes the sound gets somewhat thinner, as you would expect.",
    "And now and then a whole section stumbles, and then she knows something that no amount of listening would have told her.\n",

    "Removing a part and seeing what fails is a crude method, but it is hard to argue with.",
    "It can mislead, of course.",
    "A singer who was not needed on Monday may be needed on Thursday, when her neighbour has a sore throat.",
    "And a row that stumbles may have been frightened by the silence rather than lost without the voice.",
    "The conductor therefore does the same test with other singers, chosen by no rule at all, to see how much stumbling is caused by the "
    "touch "
    "alone.",
    "Only the difference counts.\n",

    "People who walk a lot often tell you that they do it in order to think.",
    "I have never managed to think while walking, at least not about anything I had planned to think about.",
    "What happens instead is that a question I had given up on comes back by itself, usually near the same bend in the road, with some "
    "part of "
    "it already solved.",
    "I have no theory about this.",
    "The path goes along a canal for an hour, then through two villages, and the second village has a bench in front of the church where I "
    "write "
    "down whatever has turned up.",
    "Most of it is worthless by the evening, but not all.\n",

    "On the bench I once met a man who had mapped the wells of the whole district.",
    "He was not paid for it, and he told me that no office had ever shown any interest.",
    "He simply wanted to know where the water was.",
    "Each well had a card with its depth, the taste of its water, and the name of the last person who had used it.",
    "When the dry summer came and the taps ran brown, the mayor drove up to his house with a box of pastries and asked whether he could "
    "see the "
    "cards.\n",

    "Knowledge that nobody wants is a strange kind of savings account.",
    "You pay into it for years and feel slightly foolish.",
    "Then the weather changes, and it turns out that you are the only person in the district who is able to answer a simple question.",
    "The man with the cards did not seem surprised, and he did not gloat.",
    "He made coffee, spread the cards on the kitchen table, and began to explain which of the wells could be trusted.\n",

    "Teaching, it seems to me, is mostly the art of knowing which question the other person has not yet asked.",
    "A pupil who is stuck rarely asks about the place where he is stuck.",
    "He asks about something further on, where the trouble has become visible.",
    "A poor teacher answers what was asked, and a better one goes back along the way the pupil came, step by step, until they arrive at "
    "the "
    "stone that was stepped over.",
    "There is usually a short silence at that point, and then the rest goes by itself.\n",

    "My own best teacher taught drawing, a subject in which I have no talent.",
    "He would stand behind me for a while, and then he would ask what I was looking at.",
    "I would say that I was looking at the jug.",
    "No, he would answer, you are looking at the paper, and you are remembering the jug.",
    "He was right every time, and I have since noticed how seldom I look at the thing itself, in matters that have nothing to do with "
    "jugs.\n",

    "It takes an effort to see what is there, because what we expect to see is so much easier to find.",
    "The expectation arrives first and takes the best seat.",
    "By the time the facts come in, they have to stand along the wall.",
    "I know of only one remedy, and it is to write the expectation down before looking, as precisely as possible, so that it can be "
    "compared with what came out.",
    "A guess that has been written down loses its power to change its shape afterwards.\n",

    "There is an old baker in the next village who does this with the weather.",
    "Every evening he writes on a slate how he thinks the dough will behave the next morning, and every morning he writes beneath it how "
    "it did behave.",
    "He has been doing so since he took over the shop from his uncle.",
    "I asked him whether he had become better at guessing.",
    "He thought about it for some time and said that he had become better at knowing when he could not guess, which was worth more, since "
    "on those days he got up an hour sooner.\n",

    "I would like to end with a rule, but everything I have described speaks against rules that fit into one sentence.",
    "What the baker, the chair mender and the conductor have in common is a certain order of doing things.",
    "They look first, they write it down, they change one thing at a time, and they keep what they wrote.",
    "Nothing in this is difficult, and anyone could begin tomorrow.",
    "The difficult part is to go on with it through all the weeks in which it seems to lead nowhere.\n",
};

int64_t ns_essay_count(void)
{
    return (int64_t)(sizeof sentences / sizeof *sentences);
}

const char *ns_essay_sentence(int64_t i)
{
    return sentences[i % ns_essay_count()];
}
